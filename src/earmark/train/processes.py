"""Several processes that train one tagger: what they tell each other.

Each process has the whole manifest, takes its share of every batch and of the validation clips, and ends each step with
the same weights: those that one process with the whole batch would have. Everything here is the identity where there is
but one process.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from earmark.errors import EarmarkError, counted
from earmark.inference.process import cores

Value = TypeVar("Value")
OF_OTHERS = ("gloo", "Connection closed by peer", "Connection reset by peer")  # in what the back ends say of others


def rank() -> int:
    return int(os.environ.get("RANK", 0))


def world() -> int:
    return int(os.environ.get("WORLD_SIZE", 1))


def join(device: str) -> None:
    """Meet the other processes, if there are any: the environment says where, as torchrun and `launch` set it.

    On GPUs each takes its own. Raises EarmarkError where there are fewer.
    """
    if world() == 1 or distributed.is_initialized():
        return
    if device == "cuda":
        local_rank, there = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
        if local_rank >= there:
            raise EarmarkError(
                f"{counted(world(), 'process on cuda takes one GPU', 'processes on cuda take one GPU each')}, and this "
                f"machine shows {there}: take fewer"
            )
        torch.cuda.set_device(local_rank)  # NCCL sends from the current device, which is the first one's in all of them
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")


def own_device(device: str) -> torch.device:
    """The device that this process trains on: of several GPUs the one that `join` took."""
    return torch.device("cuda", torch.cuda.current_device()) if device == "cuda" else torch.device(device)


def shared(value: Value) -> Value:
    """The first process's value, in all of them."""
    if world() == 1:
        return value
    held = [value]
    distributed.broadcast_object_list(held)
    return held[0]


def agreed(told: bool) -> bool:
    """The first process's answer, in all of them: after each step, so without `shared`'s cost."""
    if world() == 1:
        return told
    # NCCL sends what lies on its GPU, gloo what lies in memory
    held = torch.tensor([told], dtype=torch.uint8, device="cuda" if distributed.get_backend() == "nccl" else "cpu")
    distributed.broadcast(held, 0)
    return bool(held.item())


def gathered(value: Value) -> list[Value]:
    """Every process's value, in all of them."""
    if world() == 1:
        return [value]
    held: list[Any] = [None] * world()
    distributed.all_gather_object(held, value)
    return held


def whole(share: Tensor, total: int) -> Tensor:
    """The shares (n, …) of all processes → the whole batch (total, …), each `world`-th row from one process."""
    if world() == 1:
        return share
    most = -(-total // world())
    padded = nn.functional.pad(share, (0, 0) * (share.dim() - 1) + (0, most - len(share)))
    held = [torch.empty_like(padded) for _ in range(world())]
    distributed.all_gather(held, padded.contiguous())
    return torch.stack(held, 1).flatten(0, 1)[:total]  # row i of process r is row i · world + r of the batch


def mean(value: float) -> float:
    """The mean over processes."""
    values = gathered(value)
    return sum(values) / len(values)


def share_norms(module: nn.Module) -> None:
    """Make every batch norm below `module` take its statistics over the whole batch, not over a process's share."""
    if world() == 1:
        return
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm1d):
            norm.__class__ = SharedNorm1d
        elif isinstance(norm, nn.BatchNorm2d):
            norm.__class__ = SharedNorm2d


class _Sum(torch.autograd.Function):
    """The sum over processes; the gradient is summed too, since each process's loss depends on every share."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        value = value.clone()
        distributed.all_reduce(value)
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].clone()
        distributed.all_reduce(gradient)
        return gradient


def _shared_norm(norm: nn.modules.batchnorm._BatchNorm, x: Tensor) -> Tensor:
    """Batch normalisation of x (n, channels, …) over the rows of all processes. torch has it for GPUs alone."""
    axes = [0, *range(2, x.dim())]
    shape = [1, -1] + [1] * (x.dim() - 2)
    wide = x.float()
    count = torch.full((1,), float(x.numel() // x.shape[1]), device=x.device)
    sums = _Sum.apply(torch.cat([wide.sum(axes), count]))  # type: ignore[no-untyped-call]
    total = sums[-1]
    middle = sums[:-1] / total
    apart = wide - middle.view(shape)
    # in a second round: the difference of two large sums would lose what the variance is made of
    variance = _Sum.apply(apart.square().sum(axes)) / total  # type: ignore[no-untyped-call]
    if norm.running_mean is not None and norm.running_var is not None:
        with torch.no_grad():
            assert norm.num_batches_tracked is not None
            norm.num_batches_tracked.add_(1)
            share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
            norm.running_mean.lerp_(middle.detach(), share)
            norm.running_var.lerp_(variance.detach() * total / (total - 1), share)
    out: Tensor = apart * (variance + norm.eps).rsqrt().view(shape)
    if norm.weight is not None:
        out = out * norm.weight.view(shape)
    if norm.bias is not None:
        out = out + norm.bias.view(shape)
    return out.to(x.dtype)


class SharedNorm1d(nn.BatchNorm1d):
    def forward(self, input: Tensor) -> Tensor:
        return _shared_norm(self, input) if self.training else super().forward(input)


class SharedNorm2d(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        return _shared_norm(self, input) if self.training else super().forward(input)


def _gone(others: Sequence[subprocess.Popen[bytes]]) -> tuple[int, int] | None:
    """One that has ended with an error, counted from 1, and its status. It may take a moment to be told so."""
    for _ in range(50):
        for place, process in enumerate(others, 1):
            if process.poll():
                return place, int(process.returncode)
        time.sleep(0.1)
    return None


def _leave() -> None:
    """End a program that is done, before libraries are taken down: threads of torch.distributed that still wait abort there, whether
    its group was destroyed or not, and torchrun would tell of a failure."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@contextlib.contextmanager
def among_others() -> Iterator[None]:
    """Be one of several processes that something else starts, such as torchrun on each machine; or the only one.

    Raises EarmarkError where another one ended, or cannot be reached.
    """
    try:
        yield
        if world() > 1:
            atexit.register(_leave)
    except RuntimeError as error:
        of_them = isinstance(error, distributed.DistError) or any(word in str(error) for word in OF_OTHERS)
        if world() == 1 or not of_them:
            raise
        raise EarmarkError(
            f"process {rank() + 1} of {world()} cannot go on: another one ended, or its machine cannot be reached "
            f"({str(error).splitlines()[0][:200]}). See what that one said; the same commands with --resume go on from what was kept last"
        ) from error


@contextlib.contextmanager
def launch(count: int, arguments: Sequence[str]) -> Iterator[None]:
    """Be the first of `count` processes; the others run `earmark` with the same arguments until this one is done.

    When the first ends in any way, the others are ended. Raises EarmarkError where one of them ended before it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0"}
    each = max(1, min(torch.get_num_threads(), cores()) // count)
    threads = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(each)}
    others = [
        subprocess.Popen(
            [sys.executable, "-m", "earmark", *arguments],
            env={**os.environ, **variables, **threads, "RANK": str(i), "LOCAL_RANK": str(i)},
            stdout=subprocess.DEVNULL,
        )
        for i in range(1, count)
    ]
    mine = {**variables, "RANK": "0", "LOCAL_RANK": "0"}
    before = {name: os.environ.get(name) for name in mine}
    os.environ.update(mine)
    if threads:
        torch.set_num_threads(int(threads["OMP_NUM_THREADS"]))
    try:
        yield
    except BaseException as error:
        gone = _gone(others) if isinstance(error, RuntimeError) else None
        for process in others:
            process.terminate()
        if gone is not None:
            raise EarmarkError(
                f"process {gone[0] + 1} of {count} ended with status {gone[1]}, and the others cannot go on without it: see what it "
                "said, or whether the system ended it for its memory; the same command with --resume goes on from what was kept last"
            ) from error
        raise
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
        for process in others:
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
