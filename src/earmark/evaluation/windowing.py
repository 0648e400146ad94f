"""`choose`: how far apart the windows of a trained tagger lie and how their scores are combined, chosen on validation clips.

Nothing is learnt: the net hears windows of the length that it learnt with. They are heard once for each hop; what they count
and how they are combined is worked out from the same scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.data.manifest import Manifest
from earmark.data.splits import ClipSet
from earmark.errors import AudioError, EarmarkError
from earmark.evaluation.heldout import clips_of
from earmark.evaluation.scoring import Settings, Unread, none_read
from earmark.metrics.clips import Clips, Draw, known_of
from earmark.metrics.intervals import left_out, measure
from earmark.metrics.naming import current
from earmark.models import loading
from earmark.models.facts import FIGURES
from earmark.progress import QUIET, Progress, task
from earmark.registry import METRICS
from earmark.windows import Cutter, Pool, Windows, weights
from earmark.windows.settings import Combine, Weigh

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger

PARTS = (1, 2, 4, 6)  # a hop is the windows' length by one of these
BATCH = 32  # windows
Ways = dict[tuple[Combine, Weigh], NDArray[np.float32]]


@dataclass(frozen=True)
class Tried:
    """Windows, and the metric with them; NaN where there is none."""

    windows: Windows
    value: float

    def as_dict(self) -> dict[str, Any]:
        told = self.windows.as_dict()
        value = self.value if math.isfinite(self.value) else None
        return {key: told[key] for key in ("hop", "combine", "weigh")} | {"value": value}


@dataclass(frozen=True, eq=False)
class Choice:
    """tried: the best first, its own among them; own: the windows that the tagger had. metric: the name of it.

    tagger: with the best windows, without rules, thresholds and figures of before. unread: clips that could not be read.
    """

    tagger: AnyTagger
    clips: Manifest
    metric: str
    own: Windows
    tried: tuple[Tried, ...]
    unread: tuple[Unread, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        own = next(each for each in self.tried if each.windows == self.own)
        return {
            "metric": self.metric, "chosen": self.tried[0].as_dict(), "before": own.as_dict(),
            "chosen on": ClipSet.of(self.clips).as_dict(), "tried": [each.as_dict() for each in self.tried],
        }  # fmt: skip

    def store(self, file: str | Path) -> None:
        """Write the tagger with the best windows."""
        self.tagger.save(file)


def choose(
    tagger: str | Path,
    data: str | Path | Manifest,
    *,
    folds: Sequence[str] | None = None,
    dataset: str | None = None,
    metric: str | None = None,
    hops: Sequence[float] | None = None,
    settings: Settings | None = None,
    device: str = "cpu",
    progress: Progress = QUIET,
) -> Choice:
    """Compare hops, weights of windows and ways to combine them, on clips that chose the tagger's epoch.

    folds: of these, default all. hops: seconds; default: the length of the windows, its half, quarter and sixth, and the
    tagger's own. metric: default the log loss. Of equally good ones the tagger's own is taken, else the first.

    Raises EarmarkError for other clips than those of its validation folds, and where none can be read; TaggerError.
    """
    settings = settings or Settings()
    loaded: Any = loading.load(tagger, device, engine="torch").alone
    named = _metric(metric, loaded.task, progress)
    name = dataset or loaded.facts.dataset
    clips = _validation(loaded, clips_of(loaded, data, name), folds, name)
    own = loaded.windows
    hops = [*dict.fromkeys([own.hop, *(hops or [round(own.length / part, 6) for part in PARTS])])]
    waves, read, unread = _waves(loaded, clips, settings)
    truth = read.judged_as(loaded.task, loaded.vocabulary)
    for line in left_out([named], known_of(truth)):
        progress.say(line)
    tried = []
    with task(progress, "windows", len(hops) * len(waves)) as step:
        for hop in hops:
            at = replace(own, hop=hop)
            loaded.every(hop)  # refuses one that leaves gaps
            for (combine, weigh), values in _ways(loaded, at, waves, settings.batch or BATCH, step).items():
                value = float(measure(named, Draw(Clips(values, truth)))[0])
                tried.append(Tried(replace(at, combine=combine, weigh=weigh), value))
    sign = 1 if METRICS[named].facts.get("least") else -1
    # the sort keeps the order of what is equal: the tagger's own first
    tried.sort(key=lambda each: each.windows != own)
    tried.sort(key=lambda each: sign * each.value if math.isfinite(each.value) else math.inf)
    told = Choice(loaded, read, named, own, tuple(tried), unread)
    return replace(told, tagger=_with(loaded, told, str(name), progress))


def _with(tagger: Any, choice: Choice, dataset: str, progress: Progress) -> Any:
    """The tagger in the best windows, with what chose them among its facts."""
    best, facts = choice.tried[0].windows, tagger.facts
    chosen = {key: value for key, value in choice.as_dict().items() if key != "tried"}
    told = {"windows": {"data": dataset, **chosen}}
    if best == choice.own:  # all that the file tells holds as it did; that its windows were chosen is told too
        tagger.facts = replace(facts, more={**facts.more, **told})
        return tagger
    stale = [FIGURES[name] for name in facts.figures() if name in ("validation", "events", "tags", "test", "alarms")]
    if stale:
        progress.say(
            f"{' and '.join(stale)} were of the windows of before and are left out: calibrate and evaluate anew"
        )
    if tagger.graphs:
        progress.say("its graphs are left out: `earmark export` writes them anew")
    moved = tagger.hearing({"hop": best.hop, "combine": best.combine, "weigh": best.weigh})
    own = moved.facts.own(moved.identity())
    # of its weights, which are what they were
    moved.facts = replace(own, chosen=facts.chosen, soup=facts.soup, head=facts.head, more={**own.more, **told})
    return moved


def _ways(tagger: Any, at: Windows, waves: Sequence[NDArray[np.float32]], batch: int, step: Any) -> Ways:
    """By (combine, weigh): scores of the clips, (clips, tags), in windows this far apart."""
    length, hop = at.samples(tagger.sample_rate)
    found: dict[tuple[Combine, Weigh], list[NDArray[np.float32]]] = {}
    for wave in waves:
        cutter = Cutter(length, hop, at.last, at.short)
        cut = np.concatenate([part.windows() for part in (*cutter.push(wave), *cutter.finish())])
        values = np.concatenate([tagger.score_windows(cut[i : i + batch]) for i in range(0, len(cut), batch)])
        for combine in get_args(Combine):
            for weigh in (at.weigh,) if combine == "max" else get_args(Weigh):  # the largest has no weights
                pool = Pool(combine, normalise=tagger.task == "one")
                pool.add(values, weights(cut, weigh))
                found.setdefault((combine, weigh), []).append(pool.result())
        step()
    return {way: np.stack(each) for way, each in found.items()}


def _waves(
    tagger: Any, clips: Manifest, settings: Settings
) -> tuple[list[NDArray[np.float32]], Manifest, tuple[Unread, ...]]:
    waves, unread = [], []
    read = np.ones(len(clips), bool)
    for row, wave in enumerate(_decoded(tagger, clips, settings)):
        if isinstance(wave, AudioError):
            if settings.strict:
                raise wave
            read[row] = False
            unread.append(Unread(wave.path, wave.problem))
        else:
            waves.append(wave)
    if not waves:
        raise none_read(len(clips), unread)
    return waves, clips.select(read), tuple(unread)


def _decoded(tagger: Any, clips: Manifest, settings: Settings) -> Iterator[NDArray[np.float32] | AudioError]:
    for path, start, end in zip(clips.paths(), clips.start, clips.end, strict=True):
        first = None if np.isnan(start) else float(start)
        seconds = None if np.isnan(end) else float(end) - (first or 0.0)
        try:
            yield audio.load(path, tagger.sample_rate, first, seconds, salvage=settings.salvage, report=lambda _: None)
        except AudioError as error:
            yield error


def _metric(name: str | None, of: str, progress: Progress) -> str:
    named = current([name], progress.say)[0] if name else "log_loss" if of == "one" else "log_loss_tags"
    if of not in METRICS[named].facts["tasks"]:
        raise EarmarkError(f"the metric {named!r} is not for task {of!r}: see `earmark list metrics`")
    return named


def _validation(tagger: Any, whole: Manifest, folds: Sequence[str] | None, name: str | None) -> Manifest:
    """Clips that chose the epoch: others would be chosen on without the file's telling whom it must not be judged on."""
    known = tagger.facts.clips("validation").folds if name == tagger.facts.dataset else ()
    wanted = list(folds or known)
    if not known or not set(wanted) <= set(known):
        which = f"fold {', '.join(known)}" if known else "none that its file tells"
        raise EarmarkError(
            f"windows are chosen on the validation folds of the tagger, {which}, of {tagger.facts.dataset or 'a data set without name'}, "
            f"and not on {', '.join(wanted) or 'others'}. Train with data.validation=[FOLD] where there are none"
        )
    return whole.in_folds(wanted)
