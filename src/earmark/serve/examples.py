"""Sounds of a tag to compare with: clips that were given to learn from, and what people said is right, the surest first."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from earmark.audio import info
from earmark.errors import AudioError
from earmark.serve.api import REFUSALS, SENDS_TOKEN
from earmark.serve.folder import Looked, Number, known_tag
from earmark.serve.lessons import Clip
from earmark.serve.listing import id_of
from earmark.serve.service import Here
from earmark.serve.shapes import Example, Examples, Problem
from earmark.serve.shelf import id_of_clip
from earmark.serve.store import Store

RIGHT_OF_TAG = """
  SELECT recording, coalesce(right_onset, onset) AS onset, coalesce(right_offset, offset) AS offset, score
  FROM said
  WHERE ((answer = 'right' AND tag = ?) OR (answer = 'other' AND other = ?)) AND NOT (job = ? AND recording = ?)
  ORDER BY answer = 'other', score DESC, id LIMIT 50
"""
router = APIRouter(
    responses={**REFUSALS, 404: {"model": Problem, "description": "There is no such thing here, or no folder."}},
    tags=["review"],
    dependencies=SENDS_TOKEN,
)


@router.get("/v1/jobs/{job}/examples")
def examples(
    job: Number, here: Here, _: Looked, tag: Annotated[str, Query(max_length=255)], event: Annotated[int, Query(ge=0, le=2**53)] = 0,
    most: Annotated[int, Query(ge=1, le=20)] = 4,
) -> Examples:  # fmt: skip
    """Sounds of a tag to compare an event with: half of them clips, where there are, none of them of its own recording."""
    store = here.folder[0]
    named = store.rows("SELECT DISTINCT other FROM reviews WHERE other <> ''")
    known_tag(store, job, tag, [*here.examples, *(row["other"] for row in named)])
    own = store.rows("SELECT recording FROM events WHERE job = ? AND id = ?", (job, event))
    said = _said(store, job, tag, own[0]["recording"] if own else "", most)
    learnt = [made for clip in here.examples.get(tag, []) if (made := _clip(clip)) is not None][:most]
    some = max(most - len(said), most // 2 if learnt else 0)
    return Examples(examples=[*learnt[:some], *said][:most], clips=bool(here.examples))


def _said(store: Store, job: int, tag: str, own: str, most: int) -> list[Example]:
    """The surest of each recording first."""
    rows = store.rows(RIGHT_OF_TAG, (tag, tag, job, own))
    seen: set[str] = set()
    first = [row for row in rows if not (row["recording"] in seen or seen.add(row["recording"]))]  # type: ignore[func-returns-value]
    rest = [row for row in rows if row not in first]
    return [
        Example(
            recording=id_of(row["recording"]), name=row["recording"], onset=row["onset"], offset=row["offset"], source="review"
        )
        for row in (first + rest)[:most]
    ]  # fmt: skip


def _clip(clip: Clip) -> Example | None:
    file, start, end = clip
    try:
        length = info(file).duration
    except AudioError:
        return None
    last = end if end is not None else length
    if last is None or last <= start:
        return None
    return Example(recording=id_of_clip(file), name=file.name, onset=start, offset=last, source="clip")
