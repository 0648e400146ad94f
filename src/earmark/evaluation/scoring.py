"""Clips → scores by a tagger, with what could not be read: of whole clips, or over time, by frames where the net has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from earmark.data.manifest import Manifest
from earmark.errors import AudioError, EarmarkError, counted
from earmark.inference import Failure, Recording, Scored, score
from earmark.models.frames import Framewise
from earmark.progress import QUIET, Progress, task
from earmark.scores import Scores

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

Moments = Literal["frames", "windows"]  # whose scores those over time are


@dataclass(frozen=True)
class Settings:
    """How recordings are scored, without a difference to the scores of what sounds.

    batch: windows at once. workers: threads that decode. salvage: use what can be read of damaged recordings. strict:
    raise the AudioError of the first that cannot be read. hear_silence: figures are of all that a tagger answers, in digital silence too,
    as the papers' are; False: as `earmark.events` hears, which tells nothing of it.
    """

    batch: int | None = None
    workers: int = 2
    salvage: bool = False
    strict: bool = False
    hear_silence: bool = True

    @property
    def options(self) -> dict[str, Any]:
        """Of `earmark.inference.score`."""
        return {
            "batch": self.batch,
            "workers": self.workers,
            "salvage": self.salvage,
            "hear_silence": self.hear_silence,
        }


@dataclass(frozen=True)
class Unread:
    """A recording that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class ClipScores:
    """scores: a row a clip that could be read. notes: what was done to the audio, "path: what"."""

    scores: Scores
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TimedClip:
    """A clip's scores over time, how many seconds long it is, and how many of these hold nothing that can be heard; 0 where silence was
    scored as well (`Settings.hear_silence`).
    """

    scores: Scores
    duration: float
    unheard: float = 0.0

    @property
    def heard(self) -> float:
        """Seconds, of which rates an hour are."""
        return self.duration - self.unheard


@dataclass(frozen=True)
class TimedScores:
    """of: frames or windows. clips: by id, those that could be read. unread, notes: as in `ClipScores`."""

    of: Moments
    clips: dict[str, TimedClip]
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]


def recordings(clips: Manifest) -> list[Recording]:
    """What is to be heard of each clip."""
    return [
        Recording(path, None if np.isnan(start) else float(start), None if np.isnan(end) else float(end), str(id_))
        for path, start, end, id_ in zip(clips.paths(), clips.start, clips.end, clips.ids, strict=True)
    ]


def score_clips(
    tagger: AnyTagger, clips: Manifest, settings: Settings | None = None, progress: Progress = QUIET
) -> ClipScores:
    """A score of each tag for each clip. Raises EarmarkError where none can be read."""
    settings = settings or Settings()
    todo = recordings(clips)
    results: list[Scored] = []
    unread: list[Unread] = []
    with task(progress, "scoring", len(todo)) as step:
        for result in score(tagger, todo, **settings.options):
            step()
            if isinstance(result, Failure):
                unread.append(_unread(result.error, settings))
            else:
                results.append(result)
    if not results:
        raise none_read(len(todo), unread)
    rows = {
        "ids": np.array([result.recording.name for result in results]),
        "start": np.array([result.recording.start or 0.0 for result in results]),
        "end": np.array([(result.recording.start or 0.0) + result.duration for result in results]),
    }
    facts = {"tagger": tagger.identity(), "task": tagger.task, "windows": tagger.described_windows()}
    scores = Scores(np.stack([result.values for result in results]), **rows, tags=tagger.vocabulary, facts=facts)
    return ClipScores(scores, tuple(unread), tuple(note for result in results for note in result.notes))


def score_over_time(
    tagger: AnyTagger, clips: Manifest, settings: Settings | None = None, progress: Progress = QUIET
) -> TimedScores:
    """Scores over time of the clips that can be read: of frames where the net has some, else of windows."""
    settings = settings or Settings()
    scorer = tagger.framewise()
    of: Moments = "frames" if scorer else "windows"
    timed: dict[str, TimedClip] = {}
    unread: list[Unread] = []
    notes: list[str] = []
    todo = recordings(clips)
    with task(progress, f"scores of {of}", len(todo)) as step:
        for result, moments in _moments(tagger, scorer, todo, settings):
            step()
            if isinstance(result, Failure):
                unread.append(_unread(result.error, settings))
                continue
            timed[result.recording.name] = TimedClip(moments, result.duration, result.unheard)
            notes += result.notes
    return TimedScores(of, timed, tuple(unread), tuple(notes))


def none_read(clips: int, unread: list[Unread] | tuple[Unread, ...]) -> EarmarkError:
    first = unread[0]
    return EarmarkError(f"none of the {counted(clips, 'clip')} could be read, the first: {first.path}: {first.reason}")


def _unread(error: AudioError, settings: Settings) -> Unread:
    if settings.strict:
        raise error
    return Unread(error.path, error.problem)


def _moments(tagger: AnyTagger, scorer: Framewise | None, todo: list[Recording], settings: Settings) -> Iterator[Any]:
    """(what was heard or a failure, its scores over time or None) of each recording; scores of windows without scorer."""
    # closed whatever happens: threads that decode wait for it
    with closing(score(scorer or tagger, todo, keep_windows=True, **settings.options)) as results:
        for result in results:
            if isinstance(result, Failure):
                yield result, None
            else:
                yield result, scorer.scores(result) if scorer else result.windows
