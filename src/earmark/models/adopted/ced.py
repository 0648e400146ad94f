"""CED's state dicts: is it Tiny, Mini, Small or Base; its weights by our names.

Names are those of github.com/RicherMans/CED (models/audiotransformer.py) and those of its copies on Hugging Face, where all but the
last layers lie under `encoder`. The mel bands lie in the former, as constants, and are held against ours.
"""

from __future__ import annotations

import numpy as np

from earmark.engines.features import LogMel
from earmark.errors import counted
from earmark.models.adopted import renamed
from earmark.models.adopted.found import Found, Weights

LAYOUT = "a state dict of CED"
RECIPE = "audioset-ced"
UNDER = "encoder."
FRONT, MEL = "front_end.", "front_end.0.mel_scale.fb"  # (bins, bands)
EQUAL = 1e-3  # of the mel bands, whose largest is 1: float32 places 8 kHz to 0.0005 Hz, and their narrowest sides are 27 Hz wide
TIMES, TAGS = "time_pos_embed", "outputlayer.1.bias"
NETS_BY_WIDTH = {192: "ced_tiny", 256: "ced_mini", 384: "ced_small", 768: "ced_base"}
NAMES = {
    "bands": "init_bn", "patches": "patch_embed.proj", "times": TIMES, "heights": "freq_pos_embed", "norm": "norm",
    "last_norm": "outputlayer.0", "head": "outputlayer.1",
}  # fmt: skip
IN_BLOCKS = {
    "first": "norm1", "second": "norm2", "attention.asked": "attn.qkv", "attention.told": "attn.proj", "dense.0": "mlp.fc1",
    "dense.3": "mlp.fc2",
}  # fmt: skip


def is_one(state: Weights) -> bool:
    return TIMES in state or UNDER + TIMES in state


def recognise(state: Weights, place: str) -> Found:
    """Raises TaggerError, with what was found in the place of what, for a state dict that is none of these."""
    state = {name.removeprefix(UNDER).replace("init_bn.1.", "init_bn."): value for name, value in state.items()}
    _check_front(state, place)
    width = state[TIMES].shape[1] if state[TIMES].ndim == 4 else 0
    name = NETS_BY_WIDTH.get(width)
    if name is None:
        raise renamed.other(
            place, f"its patches have {counted(width, 'number')}, and CED's {', '.join(map(str, NETS_BY_WIDTH))}"
        )
    if TAGS not in state:
        raise renamed.other(place, f"it has no {TAGS}: a net without tags can be adopted as a box alone")
    tags = len(state[TAGS])
    own = {name: value for name, value in state.items() if not name.startswith(FRONT)}
    return Found({}, renamed.weights(own, place, name, {"tags": tags}, _theirs), tags, "float32", name, LAYOUT, RECIPE)


def _check_front(state: Weights, place: str) -> None:
    """The mel bands are those of the recipe, where the file has some."""
    mel = state.get(MEL)
    ours = LogMel(16_000, window=0.032, hop=0.01, bands=64, mel_scale="htk", equal_area=False).filters
    if mel is not None and (mel.shape != ours.shape or not np.abs(mel - ours).max() < EQUAL):
        raise renamed.other(
            place, f"its mel bands, {' × '.join(map(str, mel.shape))}, are not those of 16 kHz, 0 to 8,000 Hz"
        )


def _theirs(ours: str) -> str:
    if not ours.startswith("blocks."):
        part, _, kind = ours.rpartition(".")
        return f"{NAMES[part]}.{kind}" if part else NAMES[ours]
    _, number, within = ours.split(".", 2)
    part, _, kind = within.rpartition(".")
    return f"blocks.{number}.{IN_BLOCKS[part]}.{kind}"
