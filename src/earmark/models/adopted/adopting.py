"""From the file of a net that others trained to a tagger."""

from __future__ import annotations

import hashlib
from typing import Any

from earmark import recipe as recipes
from earmark.errors import TaggerError
from earmark.models.adopted import labels as names
from earmark.models.adopted import tflite, yamnet
from earmark.models.adopted.asked import Asked, check_words, digest
from earmark.models.facts import Facts
from earmark.models.origin import Origin
from earmark.models.tagger import Tagger, build

RECIPE = "audioset-yamnet"  # whose front end, windows and training an adopted YAMNet has


def adopt(asked: Asked) -> Tagger:
    """The tagger, in evaluation mode. Raises TaggerError for a file that is no known net, ManifestError for its labels.

    licence and source must be told: what may be done with weights, and whose they are, is known to who fetched them.
    """
    check_words(asked)
    model, data = tflite.load(asked.file)
    found = yamnet.recognise(model)
    vocabulary = names.load(asked.labels, found.tags)
    tagger = build(recipes.parse(_recipe(found.arguments, asked.file.name), "yamnet"), vocabulary)
    _fill(tagger, found.weights, str(asked.file))
    origin = Origin(
        yamnet.LAYOUT, asked.file.name, hashlib.sha256(data).hexdigest(), len(data), f"{found.kind} made float",
        asked.licence.strip(), asked.source.strip(), asked.labels.name, digest(asked.labels),
    )  # fmt: skip
    tagger.facts = Facts(adopted=origin)
    return tagger.eval().requires_grad_(False)


def _recipe(arguments: dict[str, Any], file: str) -> dict[str, Any]:
    told = recipes.load(recipes.shipped()[RECIPE]).as_dict()
    return told | {
        "name": "yamnet",
        "summary": f"YAMNet, adopted from {file}: log-mel patches of 0.975 s at 16 kHz",
        "data": {"dataset": "table"},
        "net": {"name": "yamnet", **arguments},
    }


def _fill(tagger: Tagger, weights: yamnet.Weights, place: str) -> None:
    import torch

    told = {f"net.{name}": torch.from_numpy(value.copy()) for name, value in weights.items()}
    kept = {name: value for name, value in tagger.state_dict().items() if not name.startswith("net.")}
    try:
        tagger.load_state_dict(kept | told)
    except RuntimeError as error:
        raise TaggerError(f"{place}: its weights do not fit its net ({error}). Fetch it again") from error
