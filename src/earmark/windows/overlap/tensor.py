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

from earmark.errors import agreed, counted

PAYS = 0.9  # sharing goes on while it is less than this of the work of windows one by one

OF_ALL = (
    "is_cuda",
    "is_meta",
    "layout",
    "requires_grad",
)  # attributes that windows have in common with their recording

HANDLERS: dict[Any, Callable[..., Any]] = {}  # functions of torch → what does the same of an Overlap; see operations.py


@dataclass
class Trace:
    """Where sharing ended. stopped: sentences, in order; empty where all that can be shared was."""

    stopped: list[str] = field(default_factory=list)

    def stop(self, why: str) -> None:
        if why not in self.stopped:
            self.stopped.append(why)


def overlapping(waves: Tensor, length: int, hop: int, count: int, trace: Trace | None = None) -> Overlap:
    """Waves (rows, samples) → what stands for their windows (rows · count, length), row by row, `hop` samples apart.

    >>> windows = overlapping(torch.arange(8.0)[None], length=4, hop=2, count=3)
    >>> windows.shape
    torch.Size([3, 4])
    >>> (2 * windows.shared).shape, windows.windows("to look at them").tolist()[-1]
    (torch.Size([1, 8]), [4.0, 5.0, 6.0, 7.0])
    """
    need = (count - 1) * hop + length
    if waves.shape[-1] < need:
        raise ValueError(
            f"{counted(count, 'window')} of {counted(length, 'sample')} every {hop} {agreed(count, 'needs', 'need')} "
            f"{counted(need, 'sample')}, not {waves.shape[-1]}"
        )
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
        per_phase = -(-self.count // self.phases)  # windows of a phase; the last of some phases may be one too many
        shared = self.shared[..., first:]
        missing = (per_phase - 1) * self.step + end - first - shared.shape[-1]
        if missing > 0:
            shared = F.pad(shared, (0, missing))
        # what is laid out with channels last is copied so, a run of channels at a time, and stays so
        last = shared.dim() == 4 and self.shared.is_contiguous(memory_format=torch.channels_last)
        cut = shared.unfold(-1, end - first, self.step)[..., :per_phase, :]  # (phases · rows, …, per phase, width)
        cut = cut.reshape(self.phases, self.rows, *cut.shape[1:])
        cut = cut.movedim((1, -2, 0), (0, 1, 2))  # (rows, per phase, phases, …, width)
        if last:
            cut = cut.movedim(3, -1)
        windows: Tensor = cut.flatten(1, 2)[:, : self.count].flatten(0, 1)
        return windows.movedim(-1, 1) if last else windows

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
        # the head's patch reaches as far as its last output reads, the tail's begins where its first output does
        head_end = max((before - 1) * stride - left + kernel, self.before, 1)
        kept = length - behind
        tail_start = min(kept * stride - left, self.length - max(self.behind, 1))
        # a patch is cut off on a multiple of the stride: filled up before, and `skip` outputs feel that
        skip = -(-(kept * stride - tail_start) // stride)
        filler = tail_start - (kept - skip) * stride
        patches = (head_end if before else 0) + (self.length - tail_start + filler if behind else 0)
        work = times * len(self.shared) * self.shared.shape[-1] + len(self) * patches
        if work > PAYS * len(self) * self.length:
            phases = f"a stride of {stride} where windows are {self.step} apart makes {counted(times * self.phases, 'phase')}"
            return function(self.windows(f"{what}: {phases if times > 1 else 'the edges are most of a window'}"))
        aligned = self if times == 1 else self._in_phases(times)
        head = tail = None
        if before:
            head = function(self.span(0, head_end))[..., :before]
        if behind:
            tail = function(F.pad(self.span(tail_start, self.length), (filler, 0)))[..., skip:]
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
        indices = index if isinstance(index, tuple) else (index,)
        kept = [i for i in indices if i is not None]
        plain = bool(indices) and indices[0] == slice(None) and Ellipsis not in indices and len(kept) < self.ndim
        if plain and all(isinstance(i, int | slice) for i in kept):
            return self.pointwise(operator.itemgetter(indices))
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
        if name in OF_ALL:
            return getattr(self.shared, name)
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
    __hash__ = object.__hash__


def _operator(name: str) -> Callable[..., Any]:
    method = getattr(Tensor, name)
    return lambda self, *others: Overlap.__torch_function__(method, (), (self, *others))


# Python looks for operators in the class, never in __getattr__. Equality above all: without it `x == 0` would be False
for _name in ("eq", "ne", "lt", "le", "gt", "ge", "neg", "abs", "invert", "pow", "rpow", "rsub", "rtruediv"):
    setattr(Overlap, f"__{_name}__", _operator(f"__{_name}__"))
for _name in ("floordiv", "rfloordiv", "mod", "rmod", "and", "or", "xor", "rmatmul"):
    setattr(Overlap, f"__{_name}__", _operator(f"__{_name}__"))


def _on_windows(thing: Any, why: str) -> Any:
    """The same with true tensors for what stands for some."""
    if isinstance(thing, Overlap):
        return thing.windows(why)
    if isinstance(thing, dict):
        return {name: _on_windows(value, why) for name, value in thing.items()}
    if isinstance(thing, list | tuple):
        return type(thing)(_on_windows(value, why) for value in thing)
    return thing
