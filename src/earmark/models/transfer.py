"""Other tags on a tagger that is there: its net with a new head, untrained, or of layers that were learnt apart from it.

Nobody says where the head of a net is: it is what changes its shape with the number of tags, found by building the net
twice on shapes alone (PyTorch's meta device). So it works for a net that is written tomorrow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark.models.facts import Base, Facts
from earmark.models.size import on_shapes
from earmark.models.tagger import Tagger, build
from earmark.recipe import parse_built

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]  # weights (out, in), biases (out,)


def head(tagger: Tagger) -> tuple[str, ...]:
    """The names of the weights, as in the tagger's state, that depend on the number of tags."""
    shapes = []
    for more in (0, 1):
        with on_shapes():
            built = build(tagger.recipe, [str(number) for number in range(len(tagger.vocabulary) + more)])
        shapes.append({name: value.shape for name, value in built.state_dict().items()})
    return tuple(name for name, shape in shapes[0].items() if shape != shapes[1][name])


def new_head(tagger: Tagger, vocabulary: Sequence[str]) -> Tagger:
    """A tagger for other tags with all the weights but the head's, which start as chance gives them; in evaluation mode.

    Its recipe is the same. It has learnt nothing of its tags yet, so that its facts tell of its base alone. Seed torch for
    the same start.
    """
    other = build(tagger.recipe, vocabulary).to(tagger.device)
    of_tags = set(head(tagger))
    kept = {name: value for name, value in tagger.state_dict().items() if name not in of_tags}
    other.load_state_dict(kept, strict=False)
    other.facts = Facts(bases=Base.of(tagger.facts, tagger.identity(), tagger.recipe.name, ["all but the head"]))
    return other.eval()


def with_head(base: Tagger, vocabulary: Sequence[str], layers: Sequence[Layer], changes: Mapping[str, Any]) -> Tagger:
    """The net of a tagger with other tags, in evaluation mode, without facts.

    layers: one, or two with a ReLU between, from its embedding to logits. changes: of its recipe. A single layer takes the
    place of the net's own last one where that alone makes the scores of the embedding, so that scores of moments stay; else it
    stands on the net as `Headed`, and what the net says of tags and moments is left out.
    """
    told = {key: value for key, value in base.recipe.as_dict().items() if key != "head"} | dict(changes)
    own = _own_head(base) if len(layers) == 1 else None
    return _filled(base, vocabulary, layers, told, own)


def _filled(
    base: Tagger, vocabulary: Sequence[str], layers: Sequence[Layer], told: dict[str, Any], own: str | None
) -> Tagger:
    hidden = layers[0][0].shape[0] if len(layers) > 1 else 0
    if own is None:
        told["head"] = {"width": int(layers[0][0].shape[1]), "hidden": hidden}
    tagger = build(parse_built(told, str(told["name"])), vocabulary)
    state = tagger.state_dict()
    state |= {name: value for name, value in base.state_dict().items() if name in state and not name.startswith("net.")}
    names = [own] if own else ["net.head.0", "net.head.2"][: len(layers)]
    body = _body(base) if own is None else {n: v for n, v in base.state_dict().items() if n.startswith("net.")}
    for name, value in state.items():
        if name in body and body[name].shape == value.shape:
            state[name] = body[name]
        elif own is not None and name.startswith("net.") and not name.startswith(f"{own}."):
            # it says more of tags than that layer, of moments for one, which nobody taught these tags
            return _filled(base, vocabulary, layers, told, None)
        elif name.startswith("net."):
            state[name] = torch.zeros_like(value)  # the net's own last layer, which nobody asks any more
    for name, (weights, biases) in zip(names, layers, strict=True):
        state |= {f"{name}.weight": torch.from_numpy(weights), f"{name}.bias": torch.from_numpy(biases)}
    tagger.load_state_dict(state)
    return tagger.eval().requires_grad_(False)


def _body(base: Tagger) -> dict[str, Tensor]:
    """The weights of the net below its head, as a `Headed` calls them."""
    if base.recipe.head is not None:
        return {name: value for name, value in base.state_dict().items() if name.startswith("net.body.")}
    return {f"net.body.{name}": value for name, value in base.net.state_dict().items()}


def _own_head(base: Tagger) -> str | None:
    """The dense layer that alone makes the scores of the embedding, by its name in the tagger; None: it is more than that."""
    length, _ = base.windows.samples(base.sample_rate)
    heard = base.hear(np.random.default_rng(0).uniform(-0.5, 0.5, (2, length)).astype(np.float32))
    if base.recipe.head is not None or heard.levels.shape[1] != 1:
        return None
    for name, layer in base.named_modules():
        if isinstance(layer, nn.Linear) and layer.weight.shape == (heard.levels.shape[-1], heard.embedding.shape[-1]):
            with torch.inference_mode():
                made = layer(heard.embedding)
            if torch.allclose(made, heard.levels[:, 0], rtol=1e-4, atol=1e-4):
                return str(name)
    return None
