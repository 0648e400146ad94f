"""EfficientAT's state dicts: is it one of the MobileNets with a dense head, of which width; its weights by our names.

Names are those of github.com/fschmid56/EfficientAT (models/mn, MIT), which numbers layers as torchvision does. Of hops, of the
number of bands and of the sample rate a file says nothing: the front end is that of its mn04_as to mn40_as.
"""

from __future__ import annotations

from earmark.errors import counted
from earmark.models.adopted import renamed
from earmark.models.adopted.found import Found, Weights
from earmark.models.nets import mn
from earmark.registry import NETS

LAYOUT = "a state dict of EfficientAT"
RECIPE = "audioset-mn10"
LAST = len(mn.WIDTHS) + 1  # of the layers that they number: the first, the blocks, this
PARTS = (
    ("trunk.", "features."),
    (".layers.", ".block."),
    (".squeeze.", ".conc_se_layers.0.fc1."),
    (".excite.", ".conc_se_layers.0.fc2."),
)
HEADS = {"hidden": "classifier.2", "head": "classifier.5"}
STEM, TAGS = "features.0.0.weight", "classifier.5.bias"


def is_one(state: Weights) -> bool:
    return STEM in state and any(name.startswith("features.1.block.") for name in state)


def recognise(state: Weights, place: str) -> Found:
    """Raises TaggerError, with what was found in the place of what, for a state dict that is none of these."""
    if TAGS not in state:
        heads = sorted({name for name in state if name.startswith("classifier.")})
        raise renamed.other(
            place, f"its head is not the dense one: it has no {TAGS}, but {', '.join(heads[:4]) or 'none at all'}"
        )
    arguments = _arguments(state, place)
    tags = len(state[TAGS])
    name = next((each for each in ("mn04", "mn10") if _default(each, arguments)), "mn10")
    told = renamed.weights(state, place, name, {"tags": tags, **arguments}, _theirs)
    return Found(arguments, told, tags, "float32", name, LAYOUT, RECIPE)


def _arguments(state: Weights, place: str) -> dict[str, object]:
    """The widths, off the shapes. The first layer of a block widens, if its kernel is 1 × 1; the last one narrows."""
    inner, widths = [], []
    for number in range(1, LAST):
        start = f"features.{number}.block."
        layers = sorted(
            {name.removeprefix(start).split(".")[0] for name in state if name.startswith(start)}, key=_number
        )
        if not layers:
            raise renamed.other(
                place, f"it has no {start}0.0.weight, and {counted(len(mn.WIDTHS), 'block is', 'blocks are')} wanted"
            )
        inner.append(_width(state, place, f"{start}0.0.weight"))
        widths.append(_width(state, place, f"{start}{layers[-1]}.0.weight"))
    return {
        "stem_width": _width(state, place, STEM),
        "inner_widths": inner,
        "widths": widths,
        "last_width": _width(state, place, f"features.{LAST}.0.weight"),
        "hidden": _width(state, place, "classifier.2.weight"),
    }


def _number(name: str) -> int:
    return int(name) if name.isdecimal() else -1


def _width(state: Weights, place: str, name: str) -> int:
    value = state.get(name)
    if value is None or not value.ndim or not value.shape[0]:
        raise renamed.other(place, f"it has no {name}")
    return int(value.shape[0])


def _default(name: str, arguments: dict[str, object]) -> bool:
    """Whether the net `name` has these arguments by itself."""
    told = {key: part.default for key, part in NETS[name].arguments().items() if key in arguments}
    return {key: list(each) if isinstance(each, tuple) else each for key, each in told.items()} == arguments


def _theirs(ours: str) -> str:
    part, _, kind = ours.rpartition(".")
    if part in HEADS:
        return f"{HEADS[part]}.{kind}"
    for mine, theirs in PARTS:
        ours = ours.replace(mine, theirs)
    return ours
