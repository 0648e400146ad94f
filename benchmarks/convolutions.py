"""How often PyTorch answers convolutions in bf16 wrongly on this processor, in shapes at random.

    python -m benchmarks.convolutions --seconds 300

Each is computed in bf16, three times, with its gradients and without, and held against float32, of numbers that a bf16 holds exactly. Freed
memory is full of NaN, so that what is read without having been written is seen. Counted apart: shapes that earmark computes in
bf16 (`earmark.models.autocast.right_in_bf16`), of which none may be wrong, and the others. Some kernels write where they must not
and end their process: each shape is known before it is tried, and another process goes on behind it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from earmark.engines import processor
from earmark.models.autocast import right_in_bf16

FAR = 0.03  # of the largest number: a bf16 has eight bits, and sums are of float32
AGAIN = 3
MOST = 2e7  # products of a shape
HUNG = 60  # seconds


@dataclass(frozen=True)
class Shape:
    """input: (batch, channels, height, width). Kernels, steps and what is filled in: (height, width)."""

    input: tuple[int, int, int, int]
    filters: int
    groups: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    last: bool  # channels last

    @property
    def told(self) -> tuple[Any, ...]:
        return self.stride, self.padding, 1, self.groups

    def tensors(self) -> tuple[Tensor, Tensor]:
        channels = self.input[1] // self.groups
        x = torch.randn(self.input, dtype=torch.bfloat16)
        x = x.contiguous(memory_format=torch.channels_last) if self.last else x
        scale = (channels * self.kernel[0] * self.kernel[1]) ** -0.5
        return x, (torch.randn(self.filters, channels, *self.kernel) * scale).bfloat16()


def shapes(seed: int) -> Iterator[Shape]:
    chance = random.Random(seed)
    draw = chance.choice
    while True:
        groups = draw((1, 1, 1, 2, 4, 0))
        inside, filters = (
            draw((1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 40, 64, 96, 128)),
            draw((1, 2, 4, 8, 16, 17, 32, 64, 128)),
        )
        channels = inside * max(groups, 1)
        filters = filters * groups or inside  # 0: each channel by itself
        groups = groups or inside
        kernel = draw((1, 1, 2, 3, 3, 5, 7)), draw((1, 2, 3, 3, 4, 5, 7, 9, 16, 65))
        stride = draw((1, 1, 1, 2, 3)), draw((1, 1, 1, 2, 3, 4, 7))
        padding = draw((0, (kernel[0] - 1) // 2)), draw((0, (kernel[1] - 1) // 2))
        out = draw((1, 1, 2, 3, 4, 5, 9, 16, 33)), draw((1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 100, 250))
        size = [
            (count - 1) * step + reach - 2 * pad + chance.randint(0, step - 1)
            for count, step, reach, pad in zip(out, stride, kernel, padding, strict=True)
        ]
        batch = draw((1, 2, 3, 4, 5, 8, 16))
        work = batch * out[0] * out[1] * channels * filters * kernel[0] * kernel[1] / groups
        if min(size) >= 1 and work <= MOST:
            whole = (batch, channels, size[0], size[1])
            yield Shape(whole, filters, groups, kernel, stride, padding, chance.random() < 0.3)


def far(got: Tensor, true: Tensor) -> bool:
    true, got = true.detach(), got.detach()
    most = float(true.abs().max())
    return not float((got.float() - true).abs().max()) <= FAR * most + 1e-6


def spoil(*like: Tensor) -> None:
    """Fill what was freed with NaN."""
    kept = [torch.full((part.numel() * times,), torch.nan, dtype=torch.bfloat16) for part in like for times in (1, 2)]
    kept += [torch.full((size,), torch.nan) for size in (1000, 4096, 16384, 65536, 262144)]
    del kept


def wrong(shape: Shape, learning: bool) -> list[str]:
    """What is found of it, in words; learning: with gradients."""
    x, weight = shape.tensors()
    exact = [part.float().requires_grad_() for part in (x, weight)]
    true = F.conv2d(exact[0], exact[1], None, *shape.told)
    back = torch.randn_like(true).bfloat16()
    true.backward(back.float())  # type: ignore[no-untyped-call]
    found = set()
    for _ in range(AGAIN):
        spoil(true, *exact)
        if not learning:
            with torch.inference_mode():
                found |= {"wrong answers"} if far(F.conv2d(x, weight, None, *shape.told), true) else set()
            continue
        short = [part.clone().requires_grad_() for part in (x, weight)]
        got = F.conv2d(short[0], short[1], None, *shape.told)
        spoil(true, *exact)
        got.backward(back)  # type: ignore[no-untyped-call]
        found |= {"wrong answers"} if far(got, true) else set()
        for part, whole, name in zip(
            short, exact, ("wrong gradients of inputs", "wrong gradients of weights"), strict=True
        ):
            assert part.grad is not None and whole.grad is not None
            found |= {name} if far(part.grad, whole.grad) else set()
    return sorted(found)


def work(seed: int, threads: int, line: Connection) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    for number, shape in enumerate(shapes(seed)):
        learning = number % 2 == 1
        line.send((shape, learning, None))
        line.send((shape, learning, wrong(shape, learning)))


def scan(seconds: float, threads: int, seed: int) -> dict[str, Any]:
    """Counts, and the shapes that were wrong."""
    counts: Counter[str] = Counter()
    told: list[dict[str, Any]] = []
    spawn, end = multiprocessing.get_context("spawn"), time.monotonic() + seconds
    while time.monotonic() < end:
        ours, theirs = spawn.Pipe(False)
        worker = spawn.Process(target=work, args=(seed, threads, theirs), daemon=True)
        worker.start()
        theirs.close()
        shape, learning, found = None, False, None
        try:
            while time.monotonic() < end:
                if not ours.poll(HUNG):
                    found = ["does not end"]
                    break
                shape, learning, found = ours.recv()
                if found is not None:
                    count(counts, told, shape, learning, found)
        except EOFError:
            found = ["ends the process"]
        if found in (["does not end"], ["ends the process"]) and shape is not None:
            count(counts, told, shape, learning, found)
        worker.kill()
        worker.join()
        seed += 1
    return {"counts": dict(sorted(counts.items())), "wrong": told}


def count(counts: Counter[str], told: list[dict[str, Any]], shape: Shape, learning: bool, found: list[str]) -> None:
    weight = torch.empty(shape.filters, shape.input[1] // shape.groups, *shape.kernel, device="meta")
    taken = right_in_bf16(torch.empty(shape.input, device="meta"), weight, None, *shape.told, learning=learning)
    kind = f"{'in bf16' if taken else 'left in float32'}, {'learning' if learning else 'hearing'}"
    counts[kind] += 1
    for what in found:
        counts[f"{kind}: {what}"] += 1
    if found:
        told.append(asdict(shape) | {"learning": learning, "taken": taken, "found": found})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shapes", action="store_true", help="also the shapes that are wrong")
    asked = parser.parse_args()
    told = scan(asked.seconds, asked.threads, asked.seed)
    print(
        json.dumps({"processor": processor.here().name, "torch": torch.__version__, "counts": told["counts"]}, indent=1)
    )
    for each in told["wrong"]:
        if asked.shapes or each["taken"]:
            print(json.dumps(each))


if __name__ == "__main__":
    main()
