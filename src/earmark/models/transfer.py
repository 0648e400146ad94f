"""Other tags on a tagger that is there: its net with a new, untrained head.

Nobody says where the head of a net is: it is what changes its shape with the number of tags, found by building the net
twice on shapes alone (PyTorch's meta device). So it works for a net that is written tomorrow.
"""

from __future__ import annotations

from collections.abc import Sequence

from earmark.models.facts import Base, Facts
from earmark.models.size import on_shapes
from earmark.models.tagger import Tagger, build


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
