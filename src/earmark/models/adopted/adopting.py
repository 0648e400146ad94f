"""From the file of a net that others trained to a tagger with a net of earmark's own."""

from __future__ import annotations

from typing import Any

from earmark import recipe as recipes
from earmark.errors import TaggerError
from earmark.models.adopted import ced, mn, panns, states, tflite, yamnet
from earmark.models.adopted import labels as names
from earmark.models.adopted.asked import Asked, check_words, digest
from earmark.models.adopted.found import Found, Weights
from earmark.models.facts import Facts
from earmark.models.origin import Origin
from earmark.models.tagger import Tagger, build

SUMMARIES = {  # by their recipe
    yamnet.RECIPE: "YAMNet, adopted from {file}: log-mel patches of 0.975 s at 16 kHz",
    panns.RECIPE: "{net} of PANNs, adopted from {file}: log-mel maps of 10 s at 32 kHz",
    mn.RECIPE: "MobileNet of EfficientAT, adopted from {file}: log-mel maps of 10 s at 32 kHz",
    ced.RECIPE: "{net} of CED, adopted from {file}: log-mel maps of 10 s at 16 kHz",
}


def adopt(asked: Asked) -> Tagger:
    """The tagger, in evaluation mode. Raises TaggerError for a file that is no known net, ManifestError for its labels.

    licence and source must be told: what may be done with weights, and whose they are, is known to who fetched them.
    """
    check_words(asked)
    found = _found(asked)
    vocabulary = names.load(asked.labels, found.tags)
    tagger = build(recipes.parse(_recipe(found, asked.file.name), found.net), vocabulary)
    _fill(tagger, found.weights, str(asked.file))
    origin = Origin(
        found.layout, asked.file.name, digest(asked.file), asked.file.stat().st_size, found.kind,
        asked.licence.strip(), asked.source.strip(), asked.labels.name, digest(asked.labels),
    )  # fmt: skip
    tagger.facts = Facts(adopted=origin)
    return tagger.eval().requires_grad_(False)


def _found(asked: Asked) -> Found:
    """By what kind of file it is."""
    if asked.file.suffix in states.ENDINGS:
        state, place = states.load(asked.file), str(asked.file)
        if mn.is_one(state):
            return mn.recognise(state, place)
        return ced.recognise(state, place) if ced.is_one(state) else panns.recognise(state, place)
    model, _ = tflite.load(asked.file)
    return yamnet.recognise(model)


def _recipe(found: Found, file: str) -> dict[str, Any]:
    told = recipes.load(recipes.shipped()[found.recipe]).as_dict()
    summary = SUMMARIES[found.recipe].format(net=found.net, file=file)
    return told | {
        "name": found.net,
        "summary": summary,
        "data": {"dataset": "table"},
        "net": {"name": found.net, **found.arguments},
    }


def _fill(tagger: Tagger, weights: Weights, place: str) -> None:
    import torch

    told = {f"net.{name}": torch.from_numpy(value.copy()) for name, value in weights.items()}
    kept = {
        name: value
        for name, value in tagger.state_dict().items()
        if not name.startswith("net.") or "num_batches" in name
    }
    try:
        tagger.load_state_dict(kept | told)
    except RuntimeError as error:
        words = " ".join(str(error).split())[:300]
        raise TaggerError(f"{place}: its weights do not fit its net ({words}). Fetch it again") from error
