"""The part of a recording that caused a tag: by the net's attention where it tells that, by its frames, or by windows.

attention  what each moment contributed to the tag: its weight, of which 1 is that of a moment that counts as all others do, times
           the score of the window that it lies in. Of nets with attention that run in PyTorch (`earmark.report.explain.moments`)
frames     the tag's score at each moment, of nets that score frames, in any engine
windows    of any tagger: its windows moved on by an eighth of their length; at each time the mean over those that hold it. What
           caused the tag lies where all windows that hold it are sure, and no edge is finer than an eighth of a window
"""

from __future__ import annotations

import functools
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from numpy.typing import NDArray

from earmark.errors import EarmarkError, TaggerError, UnknownName
from earmark.events.detection import Track, track
from earmark.inference.engine import score
from earmark.inference.recordings import Failure, Recording
from earmark.models.anytagger import AnyTagger
from earmark.registry import did_you_mean
from earmark.scores import Scores
from earmark.serve.api import SENDS_TOKEN, UNHEARD, Gain, Which, gone
from earmark.serve.drawing import part
from earmark.serve.recordings import Second, Until, Which_, length
from earmark.serve.service import Here
from earmark.serve.shapes import Cause
from earmark.serve.sounds import Sent
from earmark.serve.work import Task

LONGEST = 60.0  # s of a part that is looked into
STEPS = 8  # of a window
By = Literal["attention", "frames", "windows"]
router = APIRouter(responses=UNHEARD, dependencies=SENDS_TOKEN, tags=["review"])


@dataclass(frozen=True)
class Found:
    by: By
    track: Track  # of one tag, nan where nothing was heard


def of(tagger: AnyTagger, sound: Sent, tag: str, start: float, end: float, task: Task, gain: float = 0.0) -> Found:
    """Of the part from start to end, seconds, within its recording, louder by `gain` dB. Raises AudioError, EarmarkError, Left."""
    attentive = getattr(tagger, "grid", None) is not None
    if attentive and (rows := _attention(tagger, sound, tag, start, end, gain)) is not None:
        return Found("attention", track(rows))
    frames = tagger.framewise()
    scorer: Any = frames or _closer(tagger)
    rows_: list[Scores] = []

    def on_part(heard: Any) -> None:
        rows_.append(frames.part(heard) if frames else heard.windows)

    with sound.naming():
        asked = Recording(sound.file, start, end, sound.name)  # by the name that it is known by
        options: dict[str, Any] = {
            "workers": 1,
            "salvage": True,
            "on_part": on_part,
            "on_audio": task.look,
            "gain": gain,
        }
        with closing(score(scorer, [asked], **options)) as results:
            for result in results:
                if isinstance(result, Failure):
                    raise result.error
    return Found("frames" if frames else "windows", track(_of_tag(rows_, tag)))


def _of_tag(rows: list[Scores], tag: str) -> Scores:
    if not rows:
        raise EarmarkError("there is nothing to be heard in this part")
    column = rows[0].tags.index(tag)
    joined = [np.concatenate([getattr(each, name) for each in rows]) for name in ("values", "ids", "start", "end")]
    return Scores(joined[0][:, [column]], joined[1], joined[2], joined[3], (tag,))


def _closer(tagger: AnyTagger) -> AnyTagger:
    """The same in windows that lie closer; itself where several hear different windows."""
    try:
        return tagger.every(tagger.windows.length / STEPS)
    except TaggerError:
        return tagger


def _attention(tagger: Any, sound: Sent, tag: str, start: float, end: float, gain: float) -> Scores | None:
    """The rows are moments. None where the net tells of none, or has no attention."""
    from earmark.report.explain import moments

    if not moments.tells(tagger):
        return None
    wave = part(sound, tagger.sample_rate, start, end) * np.float32(10 ** (gain / 20))
    passage = moments.Passage(start, wave, False)
    heard = moments.hear(tagger, *moments.cut(passage, tagger))
    column = tagger.vocabulary.index(tag)
    values: list[NDArray[Any]] = []
    edges: list[NDArray[Any]] = []
    for window in heard:
        for curve in window.attention:
            weights = curve.values[:, column] * len(curve.values)
            values.append(weights * window.scores[column])
            edges.append(np.clip(start + curve.edges, start, end))
    if not values:
        return None
    spans = np.concatenate([np.stack([each[:-1], each[1:]], 1) for each in edges])  # (moments, 2)
    kept = spans[:, 1] > spans[:, 0]
    joined = np.concatenate(values)[kept, None].astype(np.float32)
    return Scores(joined, np.full(len(joined), sound.path.name), spans[kept, 0], spans[kept, 1], (tag,))


@router.get("/v1/recordings/{id}/cause")
async def cause(
    request: Request, here: Here, name: Which_, tag: Annotated[str, Query(max_length=255)], tagger: Which = None,
    start: Second = 0.0, end: Until = None, gain: Gain = 0.0,
) -> Cause:  # fmt: skip
    """What in a part of at most a minute made the tagger tell this tag: values between edges, by its attention, frames or windows."""
    sound, _ = await here.shelf.find(name)
    _, asked = here.tagger(tagger)
    if tag not in asked.vocabulary:
        raise UnknownName(f"{tag}: the tagger knows no such tag{did_you_mean(tag, asked.vocabulary)}")

    def work(task: Task) -> Found:
        frames, rate = length(sound)
        last = min(frames / rate, frames / rate if end is None else end)
        if not start < last:
            raise EarmarkError(
                f"there is nothing from {start:g} s to {last:g} s: the recording lasts {frames / rate:.3f} s"
            )
        if last - start > LONGEST:
            raise EarmarkError(
                f"{last - start:.0f} s are too many to look into: ask for {LONGEST:g} s or less with start and end"
            )
        return of(asked, sound, tag, start, last, task, gain)

    found = await here.desk.run(work, functools.partial(gone, request))
    values = np.nan_to_num(found.track.values[:, 0]).tolist()
    return Cause(
        tag=tag, by=found.by, edges=[round(each, 4) for each in found.track.edges.tolist()],
        values=[round(value, 4) for value in values],
    )  # fmt: skip
