"""Overlapping windows of a recording as one tensor-like object, on which convolutions are computed once.

`overlapping(wave, length, hop, count)` stands for the tensor (windows, …, time) that one would cut out of the wave, and
goes through the same `forward` of features and nets, by PyTorch's `__torch_function__` protocol. What windows have in
common is held once, `shared`; what differs, because a window's edge is padded with zeros where the recording goes on, is
held for each window by itself: `head`, its first elements, and `tail`, its last ones. Both grow with every padded layer
and are computed from short patches.

    local operations   convolutions, pools and frames of features: on the shared part, on heads and on tails
    pointwise          whatever does not mix times: on the three parts alike
    all else           on windows: `Overlap.windows` makes the true tensor, and the rest is computed one by one.
                       `Trace.stopped` says which operation that was and why

A layer with a stride that does not divide the hop sees windows in several phases, between its steps. Then there is a
shared part for each phase, as long as that is less work than windows one by one. Nothing here knows a net: an operation
that this file does not know is computed on windows, so that the result is right whatever the net does.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function_unary

PAYS = 0.9  # sharing goes on while it is less than this of the work of windows one by one


@dataclass
class Trace:
    """Where sharing ended. stopped: sentences, in order; empty where all that can be shared was."""

    stopped: list[str] = field(default_factory=list)

    def stop(self, why: str) -> None:
        if why not in self.stopped:
            self.stopped.append(why)


def framed(waves: Tensor, function: Callable[[Tensor], Tensor], span: int, hop: int) -> Tensor:
    """`function` of waves (batch, samples) → (batch, …, frames), where frame k depends on the samples k·hop … k·hop + span.

    What a feature calls so can be shared by overlapping windows.
    """
    if has_torch_function_unary(waves):
        shared: Tensor = handle_torch_function(framed, (waves,), waves, function, span, hop)
        return shared
    return function(waves)


def overlapping(waves: Tensor, length: int, hop: int, count: int, trace: Trace | None = None) -> Overlap:
    """Waves (rows, samples) → what stands for their windows (rows · count, length), row by row, `hop` samples apart."""
    need = (count - 1) * hop + length
    if waves.shape[-1] < need:
        raise ValueError(f"{count} windows of {length} samples every {hop} need {need} samples, not {waves.shape[-1]}")
    return Overlap(waves[..., :need], 1, len(waves), count, hop, length, None, None, trace or Trace())


@dataclass(frozen=True, eq=False)
class Overlap:
    """Stands for a tensor (rows · count, …, length), time last.

    shared: (phases · rows, …, T), phase by phase; window i = k · phases + p of a row begins at element k · step of
    phase p. head, tail: (rows · count, …, own elements) or None. A window is head, shared between, tail.
    """

    shared: Tensor
    phases: int
    rows: int
    count: int
    step: int
    length: int
    head: Tensor | None
    tail: Tensor | None
    trace: Trace

    @property
    def shape(self) -> torch.Size:
        return torch.Size([self.rows * self.count, *self.shared.shape[1:-1], self.length])

    @property
    def device(self) -> torch.device:
        return self.shared.device

    @property
    def dtype(self) -> torch.dtype:
        return self.shared.dtype

    @property
    def ndim(self) -> int:
        return self.shared.dim()

    @property
    def before(self) -> int:
        """Elements of the head."""
        return 0 if self.head is None else self.head.shape[-1]

    @property
    def behind(self) -> int:
        """Elements of the tail."""
        return 0 if self.tail is None else self.tail.shape[-1]

    def dim(self) -> int:
        return self.ndim

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]

    def __len__(self) -> int:
        return self.shape[0]

    def windows(self, why: str) -> Tensor:
        """The true tensor (rows · count, …, length). why: what needs it, for the trace."""
        self.trace.stop(why)
        return self.span(0, self.length)

    def span(self, first: int, end: int) -> Tensor:
        """(rows · count, …, end − first): these elements of every window. A view where nothing has to be joined."""
        parts = []
        if self.head is not None and first < self.before:
            parts.append(self.head[..., first : min(end, self.before)])
        low, high = max(first, self.before), min(end, self.length - self.behind)
        if high > low:
            parts.append(self._between(low, high))
        if self.tail is not None and end > self.length - self.behind:
            start = self.length - self.behind
            parts.append(self.tail[..., max(first, start) - start : end - start])
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)

    def _between(self, first: int, end: int) -> Tensor:
        """Elements of the shared part, window by window."""
        each = -(-self.count // self.phases)  # windows of a phase; the last of some phases may be one too many
        shared = self.shared[..., first:]
        missing = (each - 1) * self.step + end - first - shared.shape[-1]
        if missing > 0:
            shared = F.pad(shared, (0, missing))
        cut = shared.unfold(-1, end - first, self.step)[..., :each, :]  # (phases · rows, …, each, width)
        cut = cut.unflatten(0, (self.phases, self.rows))
        cut = cut.movedim((1, -2, 0), (0, 1, 2))  # (rows, each, phases, …, width)
        cut = cut.flatten(1, 2)[:, : self.count]
        return cut.flatten(0, 1)

    def pointwise(self, function: Callable[[Tensor], Tensor]) -> Overlap:
        """`function` of each part: it must treat each time and each row alike."""
        head = None if self.head is None else function(self.head)
        tail = None if self.tail is None else function(self.tail)
        return replace(self, shared=function(self.shared), head=head, tail=tail)

    def padded(self, function: Callable[[Tensor, int, int], Tensor], left: int, right: int) -> Overlap:
        """`left` and `right` elements more at the ends of each window: function(part, left, right) adds them."""
        empty = self.shared.new_zeros((*self.shape[:-1], 0))
        head = empty if self.head is None else self.head
        tail = empty if self.tail is None else self.tail
        return replace(
            self,
            shared=function(self.shared, left, right),
            length=self.length + left + right,
            head=function(head, left, 0) if left or self.before else None,
            tail=function(tail, 0, right) if right or self.behind else None,
        )

    def local(
        self, function: Callable[[Tensor], Tensor], kernel: int, stride: int, padding: int, what: str
    ) -> Overlap | Tensor:
        """`function` pads time by `padding` on both sides, and its output j reads inputs from j·stride − padding on.

        Windows one by one, a Tensor, where that is less work. what: the operation's name for the trace.
        """
        left = right = padding
        length = (self.length + left + right - kernel) // stride + 1
        before = -(-(self.before + left) // stride)
        last = (self.length - self.behind - kernel + left) // stride  # the last output that reads shared elements only
        behind = length - 1 - last
        if before + behind >= length:
            return function(self.windows(f"{what}: windows are so short that their edges meet"))
        times = stride // math.gcd(self.step, stride)
        patch_head = (before - 1) * stride - left + kernel if before else 0
        skip = -(-left // stride)  # outputs of the tail's patch that feel where it was cut off
        start = (length - behind) * stride - left  # the first input of the tail
        filler = left - skip * stride
        patch_tail = self.length - start - filler if behind else 0
        work = times * len(self.shared) * self.shared.shape[-1] + len(self) * (patch_head + patch_tail)
        if work > PAYS * len(self) * self.length:
            phases = f"a stride of {stride} where windows are {self.step} apart makes {times * self.phases} phases"
            return function(self.windows(f"{what}: {phases if times > 1 else 'the edges are most of a window'}"))
        aligned = self if times == 1 else self._in_phases(times)
        head = tail = None
        if before:
            head = function(self.span(0, patch_head))[..., :before]
        if behind:
            patch = self.span(start, self.length)
            tail = function(F.pad(patch, (-filler, 0)) if filler else patch)[..., skip:]
        return replace(
            aligned,
            shared=function(aligned.shared),
            step=aligned.step // stride,
            length=length,
            head=head,
            tail=tail,
        )

    def _in_phases(self, times: int) -> Overlap:
        """The same with `times` as many phases."""
        end = self.shared.shape[-1]
        moved = [F.pad(self.shared[..., k * self.step :], (0, min(k * self.step, end))) for k in range(times)]
        return replace(self, shared=torch.cat(moved), phases=self.phases * times, step=self.step * times)

    def widened(self, before: int, behind: int) -> Overlap:
        """The same with a longer head and tail."""
        if before == self.before and behind == self.behind:
            return self
        head = self.span(0, before) if before else None
        tail = self.span(self.length - behind, self.length) if behind else None
        return replace(self, head=head, tail=tail)

    def __getitem__(self, index: Any) -> Any:
        told = index if isinstance(index, tuple) else (index,)
        kept = [i for i in told if i is not None]
        plain = bool(told) and told[0] == slice(None) and Ellipsis not in told and len(kept) < self.ndim
        if plain and all(isinstance(i, int | slice) for i in kept):
            return self.pointwise(operator.itemgetter(told))
        return self.windows("a part of each window is taken")[index]

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        handler = HANDLERS.get(func)
        result = NotImplemented if handler is None else handler(func, *args, **(kwargs or {}))
        if result is not NotImplemented:
            return result
        why = f"{getattr(func, '__name__', func)} takes the whole window"
        return func(*_on_windows(args, why), **_on_windows(kwargs or {}, why))

    def __getattr__(self, name: str) -> Any:
        """Any method of a tensor: by the same table as the functions of torch, else on windows."""
        method = getattr(Tensor, name, None)
        if name.startswith("__") or method is None:
            raise AttributeError(name)
        if not callable(method):
            return getattr(self.windows(f"{name} takes the whole window"), name)
        return lambda *args, **kwargs: type(self).__torch_function__(method, (), (self, *args), kwargs)

    def __add__(self, other: Any) -> Any:
        return type(self).__torch_function__(torch.add, (), (self, other))

    def __sub__(self, other: Any) -> Any:
        return type(self).__torch_function__(torch.sub, (), (self, other))

    def __mul__(self, other: Any) -> Any:
        return type(self).__torch_function__(torch.mul, (), (self, other))

    def __truediv__(self, other: Any) -> Any:
        return type(self).__torch_function__(torch.div, (), (self, other))

    def __matmul__(self, other: Any) -> Any:
        return type(self).__torch_function__(torch.matmul, (), (self, other))

    __radd__, __rmul__ = __add__, __mul__


def _on_windows(thing: Any, why: str) -> Any:
    """The same with true tensors for what stands for some."""
    if isinstance(thing, Overlap):
        return thing.windows(why)
    if isinstance(thing, dict):
        return {name: _on_windows(value, why) for name, value in thing.items()}
    if isinstance(thing, list | tuple):
        return type(thing)(_on_windows(value, why) for value in thing)
    return thing


def _unary(func: Any, x: Overlap, *args: Any, **kwargs: Any) -> Any:
    """An operation on each element by itself, whose other arguments are not tensors."""
    if not isinstance(x, Overlap) or any(isinstance(a, Tensor | Overlap) for a in (*args, *kwargs.values())):
        return NotImplemented
    return x.pointwise(lambda part: func(part, *args, **kwargs))


def _in_place(func: Any, x: Any, other: Any, **kwargs: Any) -> Any:
    """As `_binary`, and x stands for the result from then on. Its parts stay: a head may be a view of what is shared."""
    if not isinstance(x, Overlap):
        return NotImplemented
    made = _binary(IN_PLACE[func], x, other, **kwargs)
    if isinstance(made, Overlap):
        for name, value in vars(made).items():
            object.__setattr__(x, name, value)
        return x
    return made


def _binary(func: Any, a: Any, b: Any, **kwargs: Any) -> Any:
    """Of two that stand for windows, or of one and what is the same for all windows and times."""
    if isinstance(a, Overlap) and isinstance(b, Overlap):
        return _together(lambda parts: func(parts[0], parts[1], **kwargs), [a, b])
    x, other = (a, b) if isinstance(a, Overlap) else (b, a)
    if isinstance(other, Tensor) and other.dim():
        like_all = other.dim() < x.ndim or other.shape[0] == 1
        if not like_all or other.shape[-1] != 1 or other.dim() > x.ndim:
            return NotImplemented
    if x is a:
        return x.pointwise(lambda part: func(part, other, **kwargs))
    return x.pointwise(lambda part: func(other, part, **kwargs))


def _together(function: Callable[[list[Tensor]], Tensor], all_: Sequence[Overlap]) -> Any:
    """`function` of the same parts of several, whose heads and tails are made equally long first."""
    first = all_[0]
    if any((x.phases, x.step, x.length) != (first.phases, first.step, first.length) for x in all_):
        return NotImplemented
    before, behind = max(x.before for x in all_), max(x.behind for x in all_)
    if before + behind >= first.length:
        return NotImplemented
    wide = [x.widened(before, behind) for x in all_]
    end = min(x.shared.shape[-1] for x in wide)  # what lies beyond is no part of a window, or is padding
    heads, tails = [x.head for x in wide if x.head is not None], [x.tail for x in wide if x.tail is not None]
    return replace(
        first,
        shared=function([x.shared[..., :end] for x in wide]),
        head=function(heads) if heads else None,
        tail=function(tails) if tails else None,
    )


def _cat(func: Any, tensors: Any, dim: int = 0) -> Any:
    if not all(isinstance(x, Overlap) for x in tensors):
        return NotImplemented
    dim = dim % tensors[0].ndim
    if dim in (0, tensors[0].ndim - 1):
        return NotImplemented
    return _together(lambda parts: func(parts, dim), tensors)


def _last(value: Any) -> int:
    """The number for time of a setting that is one number, or one for each dimension."""
    return int(value[-1] if isinstance(value, list | tuple) else value)


def _conv(
    func: Any,
    x: Any,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    if not isinstance(x, Overlap) or isinstance(padding, str):
        return NotImplemented
    kernel = (weight.shape[-1] - 1) * _last(dilation) + 1
    call = lambda part: func(part, weight, bias, stride, padding, dilation, groups)  # noqa: E731
    return x.local(call, kernel, _last(stride), _last(padding), "a convolution")


def _max_pool(
    func: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    if not isinstance(x, Overlap) or ceil_mode or return_indices:
        return NotImplemented
    kernel = (_last(kernel_size) - 1) * _last(dilation) + 1
    step = stride or kernel_size
    call = lambda part: func(part, kernel_size, stride, padding, dilation)  # noqa: E731
    return x.local(call, kernel, _last(step), _last(padding), "a pool")


def _mean_pool(
    func: Any,
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    if not isinstance(x, Overlap) or ceil_mode or divisor_override is not None:
        return NotImplemented
    step = stride or kernel_size
    call = lambda part: func(part, kernel_size, stride, padding, False, count_include_pad)  # noqa: E731
    return x.local(call, _last(kernel_size), _last(step), _last(padding), "a pool")


def _framed(func: Any, x: Any, function: Callable[[Tensor], Tensor], span: int, hop: int) -> Any:
    return x.local(function, span, hop, 0, "the feature")


def _pad(func: Any, x: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    if not isinstance(x, Overlap) or mode != "constant" or min(pad) < 0 or len(pad) >= 2 * x.ndim:
        return NotImplemented
    rest = tuple(pad[2:])
    return x.padded(lambda part, left, right: F.pad(part, (left, right, *rest), mode, value), pad[0], pad[1])


def _batch_norm(
    func: Any,
    x: Any,
    mean: Any,
    variance: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    **rest: Any,
) -> Any:
    if training or not isinstance(x, Overlap):
        return NotImplemented
    return x.pointwise(lambda part: func(part, mean, variance, weight, bias, False, **rest))


def _dropout(func: Any, x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    return NotImplemented if training else x


def _reduced(func: Any, x: Any, dim: Any = None, keepdim: bool = False, **kwargs: Any) -> Any:
    """Over dimensions that are neither the windows nor time."""
    if dim is None or not isinstance(x, Overlap):
        return NotImplemented
    dims = [d % x.ndim for d in (dim if isinstance(dim, list | tuple) else [dim])]
    if 0 in dims or x.ndim - 1 in dims:
        return NotImplemented
    return x.pointwise(lambda part: func(part, dim, keepdim, **kwargs))


def _repeated(func: Any, x: Any, repeats: int, dim: int | None = None) -> Any:
    if dim is None or dim % x.ndim in (0, x.ndim - 1):
        return NotImplemented
    return x.pointwise(lambda part: func(part, repeats, dim))


def _matmul(func: Any, a: Any, b: Any) -> Any:
    """A matrix times what has time last: each time by itself."""
    if not isinstance(b, Overlap) or isinstance(a, Overlap) or a.dim() != 2 or b.ndim < 3:
        return NotImplemented
    return b.pointwise(lambda part: func(a, part))


IN_PLACE = {getattr(Tensor, f"{name}_"): getattr(torch, name) for name in ("add", "sub", "mul", "div")}


def _table() -> dict[Any, Callable[..., Any]]:
    table: dict[Any, Callable[..., Any]] = {
        torch.conv1d: _conv,
        torch.conv2d: _conv,
        **dict.fromkeys((torch.max_pool1d, F.max_pool1d, torch.max_pool2d, F.max_pool2d), _max_pool),
        torch._C._nn.avg_pool2d: _mean_pool,  # type: ignore[attr-defined]
        torch.avg_pool1d: _mean_pool,
        framed: _framed,
        F.pad: _pad,
        F.batch_norm: _batch_norm,
        F.dropout: _dropout,
        torch.cat: _cat,
        torch.matmul: _matmul,
        Tensor.matmul: _matmul,
        Tensor.__matmul__: _matmul,
        Tensor.repeat_interleave: _repeated,
        torch.repeat_interleave: _repeated,
    }
    for name in ("add", "sub", "mul", "div"):
        for func in (getattr(torch, name), getattr(Tensor, name)):
            table[func] = _binary
    table |= dict.fromkeys(IN_PLACE, _in_place)
    for name in ("mean", "amax", "sum", "amin"):
        table[getattr(torch, name)] = table[getattr(Tensor, name)] = _reduced
    names = ("relu", "sigmoid", "tanh", "exp", "log", "log10", "sqrt", "square", "abs", "clamp", "neg")
    for name in names:
        for func in (
            getattr(torch, name),
            getattr(Tensor, name),
            getattr(torch, f"{name}_"),
            getattr(Tensor, f"{name}_"),
        ):
            table[func] = _unary
    for func in (F.relu, F.leaky_relu, F.gelu, F.elu, F.silu, F.hardswish, F.logsigmoid, F.relu6):
        table[func] = _unary
    for name in ("float", "double", "to", "contiguous", "detach"):
        table[getattr(Tensor, name)] = _unary
    return table


HANDLERS = _table()
