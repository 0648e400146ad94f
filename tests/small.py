"""Small taggers of every net, at 8 kHz: a second of sound is scored in a hundredth of one."""

from __future__ import annotations

import torch
from tests.narrow import narrow
from torch import nn

from earmark.models import tagger as taggers
from earmark.recipe import parse
from earmark.registry import NETS

TAGS = ("a", "b", "c")
# Narrower than narrow; a net that is not here is tested as `narrow` makes it
SMALL = {
    "cnnaudio": {"widths": [4, 4, 4, 6], "kernels": [8, 3, 3, 3], "pools": [4, 4, 2, 2], "hidden": 8},
    "cnnspec": {"widths": [4] * 6, "hidden": 8, "frame_pools": [2, 1, 1, 1, 1, 1]},
    "cnncomb": {
        "audio_widths": [4, 4, 4, 6],
        "audio_kernels": [8, 3, 3, 3],
        "audio_pools": [4, 4, 2, 2],
        "widths": [4] * 6,
        "frame_pools": [2, 1, 1, 1, 1, 1],
        "hidden": [8],
    },
    "convnet1d": {"widths": [4, 8], "blocks": [1, 1]},
    "convnet2d": {"pooled": [8], "middles": [8], "hidden": 8},
    "samplecnn": {"sizes": [3, 3, 3, 2], "widths": [4, 4, 4, 4], "hidden": 8},
    "rese2multi": {"sizes": [3, 3, 3, 2], "widths": [4, 4, 4, 4], "se_ratio": 1},
    "rawresnet": {
        "widths": [2, 4],
        "blocks": [1, 1],
        "strides": [1, 2],
        "map_widths": [4, 4],
        "map_blocks": [1, 1],
        "hidden": 6,
    },
    "bankresnet": {"filters": 12, "widths": [4, 4], "blocks": [1, 1]},
    "banktexture": {"filters": 12, "groups": 4, "convolutions": [4], "widths": [8]},
    "texture": {"groups": 4, "filters": [4], "widths": [8]},
    "yamnet": {"stem_width": 4, "widths": [4, 4, 6], "strides": [1, 2, 2]},
    **{name: {"widths": [4, 4, 4], "pools": [2, 2, 2], "hidden": 6} for name in ("cnn6", "cnn10", "cnn14")},
    "mobilenetv2": {
        "stem_width": 4,
        "widths": [4, 4],
        "blocks": [1, 2],
        "strides": [1, 2],
        "expansions": [1, 2],
        "last_width": 8,
        "hidden": 6,
    },
    **{
        name: {"stem_width": 4, "inner_widths": [8] * 15, "widths": [4] * 15, "last_width": 8, "hidden": 6}
        for name in ("mn04", "mn10")
    },
    **{name: {"width": 12, "depth": 2, "heads": 2} for name in ("ced_tiny", "ced_mini", "ced_small", "ced_base")},
    **{
        name: {"widths": [4, 4], "blocks": [1, 1]}
        for name in ("resnet_a", "resnet_b", "resnet_b_att", "resnet_c_att", "resnet_d_att")
    },
}
# Sizes alone tell these apart: made small they are the very nets that they stand beside, as tests/engines/test_graphs sees to
SAME = {
    "ced_mini": "ced_tiny",
    "ced_small": "ced_tiny",
    "ced_base": "ced_tiny",
    "cnn14": "cnn10",
    "mn10": "mn04",
    "resnet_d_att": "resnet_b_att",
}
LOGMEL = {"name": "logmel", "window": 0.032, "hop": 0.008, "bands": 64, "mean": -35, "deviation": 20}


def apart() -> list[str]:
    """The nets that are not one another made small: to trace one of these twice, seconds of work, would show nothing more."""
    return [name for name in NETS.names() if name not in SAME]


def tagger(net, length, hop, features=LOGMEL, task="many", **more):
    """Small, at 8 kHz, with statistics that are not those that norms begin with."""
    eats = NETS[net].facts["input"]
    if net == "convnet2d" and features is LOGMEL:
        features = {**LOGMEL, "hop": 0.004}  # it needs 43 frames
    told = {
        "task": task,
        "sample_rate": 8000,
        "data": {"dataset": "folder", "test": ["1"]},
        "windows": {"length": length, "hop": hop, **more},
        "net": {"name": net, **(SMALL.get(net) or narrow(net))},
        "augment": ["crop"],
        "train": {"epochs": 1},
    }
    if eats != "waves":
        told["features"] = features
    torch.manual_seed(3)
    made = taggers.build(parse(told, "test"), TAGS).eval()
    for module in made.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    return made
