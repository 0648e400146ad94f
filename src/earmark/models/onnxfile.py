"""An ONNX file for the world outside: what it tells of itself, as metadata.

Keys begin with `earmark.`: tags (JSON list, in the order of scores), sample_rate (Hz), windows (JSON: length and hop in seconds,
how a recording's windows become its scores), task, recipe (JSON), identity of the tagger, part, lengths of windows that it takes
(JSON, in samples), proof: how its scores differed from PyTorch's, and, where it was judged on labelled clips, judged: its
figures beside PyTorch's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from earmark.models.lengths import Lengths
from earmark.models.proof import Proof
from earmark.models.tagger import Tagger


def described(
    model: bytes,
    tagger: Tagger,
    part: str,
    proofs: Sequence[Proof],
    lengths: Lengths,
    judged: Sequence[Mapping[str, Any]] = (),
) -> bytes:
    """The model with its metadata."""
    import onnx

    from earmark.models.export import bare

    told = onnx.load_from_string(bare(onnx.load_from_string(model)))
    facts = {
        "tags": json.dumps(tagger.vocabulary, ensure_ascii=False),
        "sample_rate": str(tagger.sample_rate),
        "windows": json.dumps(tagger.described_windows()),
        "task": tagger.task,
        "recipe": json.dumps(tagger.recipe.as_dict(), ensure_ascii=False),
        "identity": tagger.identity(),
        "part": part,
        "lengths": json.dumps(lengths.as_dict(), ensure_ascii=False),
        "proof": json.dumps([proof.as_dict() for proof in proofs]),
    }
    facts |= {"judged": json.dumps(list(judged), ensure_ascii=False)} if judged else {}
    for key, value in facts.items():
        entry = told.metadata_props.add()
        entry.key, entry.value = f"earmark.{key}", value
    told.producer_name, told.producer_version = "earmark", ""
    whole: bytes = told.SerializeToString(deterministic=True)
    return whole
