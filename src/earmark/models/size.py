"""How large a net would be: counted on shapes alone (PyTorch's meta device), before it is built.

A recipe of a few bytes can ask for a net of any size. Here it is put together without memory for its weights, and given up
as soon as it has more than any net may have.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from earmark.errors import counted
from earmark.windows.overlap.shapes import OnShapes

PARAMETERS = 250_000_000  # 1 GB in float32; the largest of the papers' nets has 44,653,534
MODULES = 5000  # layers, and what holds them; the deepest of the papers' nets has 486
Shapes = Mapping[str, tuple[int, ...]]


class TooLarge(ValueError):
    """More than a net may have."""


@contextmanager
def on_shapes() -> Iterator[None]:
    """What is built within has shapes and no values, so that no memory is taken for its weights."""
    with torch.device("meta"), OnShapes():  # type: ignore[no-untyped-call]
        yield


def planned(make: Callable[[], nn.Module]) -> nn.Module:
    """The net on shapes alone; with its weights, where it cannot be put together without values.

    Raises TooLarge, and whatever `make` raises of its arguments. No random number is drawn.
    """
    try:
        with _bounded(), torch.random.fork_rng(devices=[]), on_shapes():
            return make()
    except NotImplementedError:  # it asks for values, which shapes do not have
        with _bounded():
            return make()


def check_held(net: nn.Module, held: Shapes) -> None:
    """Raises ValueError where the weights of a file, by their names in a tagger, are not those of the net."""
    told = {f"net.{name}": shape for name, shape in shapes(net.state_dict()).items()}
    own = {name: shape for name, shape in held.items() if name.startswith("net.")}
    if told == own:
        return
    wrong = next(name for name in (*told, *own) if told.get(name) != own.get(name))
    raise ValueError(
        f"size mismatch: the net of the recipe has {counted(total(told), 'number')}, and the weights are {total(own):,}; first {wrong}, "
        f"{_sides(told.get(wrong))} by the recipe and {_sides(own.get(wrong))} in the file"
    )


def _sides(shape: tuple[int, ...] | None) -> str:
    return "none" if shape is None else " × ".join(map(str, shape)) or "one number"


def shapes(weights: Mapping[str, Tensor]) -> Shapes:
    return {name: tuple(value.shape) for name, value in weights.items()}


def total(told: Shapes) -> int:
    """Numbers in all of them."""
    return sum(torch.Size(shape).numel() for shape in told.values())


@contextmanager
def _bounded() -> Iterator[None]:
    """While a net is put together in this thread: raises TooLarge as soon as it has too much."""
    mine = threading.get_ident()
    numbers = modules = 0

    def count_numbers(_: nn.Module, __: str, value: Tensor | None) -> None:
        nonlocal numbers
        numbers += value.numel() if value is not None and threading.get_ident() == mine else 0
        if numbers > PARAMETERS:
            raise TooLarge(f"it would have more than {PARAMETERS:,} parameters, 1 GB: take smaller or fewer layers")

    def count_modules(_: nn.Module, __: str, ___: nn.Module | None) -> None:
        nonlocal modules
        modules += threading.get_ident() == mine
        if modules > MODULES:
            raise TooLarge(f"it would have more than {MODULES:,} layers: take fewer blocks")

    handles = [
        hooks.register_module_parameter_registration_hook(count_numbers),
        hooks.register_module_buffer_registration_hook(count_numbers),
        hooks.register_module_module_registration_hook(count_modules),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
