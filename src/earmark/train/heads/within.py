"""A head for recordings of one's own: it learns from clips as they sound in these, and its thresholds are chosen on them.

Each clip is mixed into stretches of the unlabelled recordings (`earmark.data.soundscapes.within`), 3 to 20 dB over what is
heard there. Windows in which the clip is heard stand for its tags; windows drawn from the recordings are weak examples of none.
Nothing of this looks at what the recordings hold.

    strength    of the logistic regression, by a rule: stronger ones learn by heart which windows of the recordings were drawn,
                the sounds that are sought among them, and then no longer find these
    threshold   of each tag: that which `recall` of its held-out copies reach at some time while they are heard, by the mean of the
                windows that cover it, which is what `earmark events` holds against it. A single window is higher now and then
    alarms      windows an hour of the held-out background that reach it: at most so many are false, as some hold the tag

Held out are whole groups of clips, and the background in `inner` parts of neighbouring windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.data.manifest import Manifest
from earmark.data.soundscapes.sound import single
from earmark.data.soundscapes.within import Within, mixed_within
from earmark.errors import AudioError, EarmarkError, ManifestError
from earmark.events.detection import track
from earmark.events.edges import SAME
from earmark.models.anytagger import AnyTagger
from earmark.models.predicted import probabilities
from earmark.progress import QUIET, Progress, task
from earmark.scores import Scores
from earmark.train.heads import mixes
from earmark.train.heads.fitting import Regression

Floats = NDArray[np.float32]

COPIES = 8  # of each clip
SNR = (3.0, 20.0)  # dB
RECALL = 0.9
LENGTH = 4.0  # s of a stretch beside the longest window: what is heard before and behind a clip is the recording's
LEAST = 0.4  # s of a clip, or all of a shorter one, that a window must have to stand for its tags
STRENGTH = (
    1e-3  # settled on made-up recordings of other seeds than those that results/field reports, some with other tags
)
USUAL = 0.75  # of the windows of recordings: what is louder a quarter of the time shows no call
BATCH = 32  # stretches that are held at once
TOP = 0.999  # no threshold is set beyond the scores that there are


@dataclass(frozen=True)
class Asked:
    """copies: of each clip; 0: none are mixed. snr: lowest and highest, dB. recall: of held-out copies, above 0 to 1."""

    copies: int = COPIES
    snr: tuple[float, float] = SNR
    recall: float = RECALL

    def __post_init__(self) -> None:
        if not 0 <= self.copies <= 1000:
            raise EarmarkError(f"--copies {self.copies}: give how often a clip is mixed, from 0 to 1000")
        if not 0 < self.recall <= 1:
            raise EarmarkError(
                f"--recall {self.recall:g}: give the share of its sounds that is to be found, above 0 up to 1"
            )


@dataclass(frozen=True, eq=False)
class Around:
    """Windows in which a mixed clip is heard, if only the edge of it. vectors: (windows, width); copy: (windows,) of the mix, going up;
    start, end: (windows,) s. clip: (copies,) its number in the manifest; spans: (copies, 2), from when to when it is heard, s.
    """

    vectors: Floats
    copy: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    clip: NDArray[np.int64]
    spans: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Mixed:
    """Windows of mixed clips. vectors: (windows, width). clip: (windows,) its number in the manifest; copy: (windows,) of the mix."""

    vectors: Floats
    clip: NDArray[np.int64]
    copy: NDArray[np.int64]
    unread: tuple[AudioError, ...] = ()
    around: Around | None = None


@dataclass(frozen=True, eq=False)
class More:
    """Windows of which it is known what is in them. vectors: (windows, width). targets: (windows, tags), NaN where nothing is known.
    weights: (windows,). part: (windows,) numbers from 0: what has one number is held out together.
    """

    vectors: Floats
    targets: Floats
    weights: Floats
    part: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Chosen:
    """thresholds: (tags,), alarms: (tags,), windows an hour; NaN where a tag has no copy. loss: of what was held out, nats a tag.

    usual: (tags,), the score that a share USUAL of the windows of the recordings does not exceed; NaN where there is none.
    more: (windows, tags), the scores of more windows, by heads that did not learn from theirs.
    """

    thresholds: NDArray[np.float64]
    alarms: NDArray[np.float64]
    loss: float
    usual: NDArray[np.float64]
    more: Floats | None = None


def hear(
    asked: Asked,
    clips: Manifest,
    recordings: Sequence[Path],
    base: AnyTagger,
    seed: int,
    workers: int,
    progress: Progress = QUIET,
    salvage: bool = False,
    kept: Path | None = None,
) -> Mixed:
    """The windows in which clips are heard that are mixed into recordings. salvage: what can be read of damaged files is mixed. kept: a
    folder for what was mixed (`heads.mixes`), which is not mixed again; None: nowhere.

    Raises EarmarkError where nothing could be mixed.
    """
    length = max(base.windows.length, 1.0) + LENGTH
    told = {"length": length, "snr": list(asked.snr), "seed": seed, "salvage": salvage} | base.embedding_facts()
    keys = mixes.keys_of(single(clips)[0], audio.find(recordings), told) if kept is not None else {}
    made = mixes.Mixes(kept if keys else None, keys, asked.copies, progress.say)
    todo = clips.select(np.array([name not in made.of for name in clips.ids.tolist()], bool))
    mixing = mixed_within(
        todo, recordings, copies=asked.copies, length=length, snr=asked.snr, sample_rate=base.sample_rate, seed=seed, workers=workers,
        salvage=salvage,
    )  # fmt: skip
    unread: list[AudioError] = []
    with task(progress, "clips in the recordings", len(clips) * asked.copies) as step, closing(mixing) as stretches:
        for _ in range(len(made)):
            step()
        for part in _batches(stretches):
            waves = [each for each in part if isinstance(each, Within)]
            unread += [each for each in part if isinstance(each, AudioError)]
            heard = base.embed([each.wave for each in waves], sample_rate=base.sample_rate) if waves else []
            for each, windows in zip(waves, heard, strict=True):
                edge = (windows.start < each.offset) & (windows.end > each.onset)
                near = windows.vectors[edge], windows.start[edge], windows.end[edge]
                made.add(mixes.Mix(each.clip, each.onset, each.offset, *near))
                step()
        made.keep()
    mixed = _mixed(clips, [mix for name in sorted(made.of) for mix in made.of[name]], unread) if len(made) else None
    if mixed is None or not len(mixed.vectors):
        why = f", the first: {unread[0]}" if unread else ": none has a single tag"
        raise EarmarkError(f"no clip could be mixed into the recordings{why}")
    return mixed


def _mixed(clips: Manifest, made: Sequence[mixes.Mix], unread: Sequence[AudioError]) -> Mixed:
    """made: in the order of their clips' ids."""
    number = {name: place for place, name in enumerate(clips.ids.tolist())}
    windows = np.repeat(np.arange(len(made)), [len(each.vectors) for each in made])
    clip = np.array([number[each.clip] for each in made])
    near, start, end = (
        np.concatenate(each) for each in zip(*((mix.vectors, mix.start, mix.end) for mix in made), strict=True)
    )
    around = Around(near, windows, start, end, clip, np.array([(each.onset, each.offset) for each in made]))
    rows = np.concatenate([inside(mix, mix.start, mix.end) for mix in made])
    return Mixed(near[rows], clip[windows[rows]], windows[rows], tuple(unread), around)


def inside(mix: Within | mixes.Mix, start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(windows,): those in which enough of the clip is heard to stand for its tags."""
    common = np.minimum(end, mix.offset) - np.maximum(start, mix.onset)
    return np.asarray(common >= min(LEAST, mix.offset - mix.onset) - 1e-9)


def choose(
    lesson: Regression,
    mixed: Mixed,
    truth: NDArray[np.bool_],
    background: int,
    folds: NDArray[np.int64],
    hop: float,
    recall: float,
    more: More | None = None,
) -> Chosen:
    """lesson: of the mixed windows and, behind them, `background` windows of recordings. truth: (clips, tags); folds: (clips,)
    inner ones, from 1. hop: seconds that a window of the recordings counts for. more: windows behind those of the recordings.
    """
    count = len(mixed.clip)
    names = np.unique(folds)
    parts = np.concatenate([folds[mixed.clip], names[np.arange(background) * len(names) // max(1, background)]])
    if more is not None:
        parts = np.concatenate([parts, names[more.part % len(names)]])
    scores = np.zeros(lesson.targets.shape, np.float32)
    around = mixed.around
    beside = np.zeros((0 if around is None else len(around.copy), truth.shape[1]), np.float32)
    for fold in names.tolist():
        held = np.flatnonzero(parts == fold)
        made = lesson.fit(STRENGTH, np.flatnonzero(parts != fold))
        scores[held] = lesson.logits(made, held)
        if around is not None:
            rows = folds[around.clip][around.copy] == fold
            beside[rows] = lesson.answers(made, around.vectors[rows])
    values = probabilities(scores, "many")
    heard, clip, copy = values[:count], mixed.clip, mixed.copy
    if around is not None:
        heard, copy = over_time(probabilities(beside, "many"), around)
        clip = around.clip[copy]
    thresholds = np.array(
        [_threshold(heard[:, tag], clip, copy, truth[:, tag], recall) for tag in range(truth.shape[1])]
    )
    hours = background * hop / 3600
    with np.errstate(invalid="ignore"):
        heard = values[count : count + background]
        alarms = (heard >= thresholds).sum(0) / hours if hours else np.full(len(thresholds), np.nan)
    usual = np.quantile(heard, USUAL, axis=0) if background else np.full(len(thresholds), np.nan)
    of_more = None if more is None else values[count + background :]
    alarms = np.where(np.isnan(thresholds), np.nan, alarms)
    return Chosen(thresholds, alarms, _loss(lesson, scores), np.asarray(usual, np.float64), of_more)


def _loss(lesson: Regression, scores: Floats) -> float:
    """The weighted mean binary cross-entropy of what is known, in nats a tag."""
    logits, targets = scores.astype(np.float64), lesson.targets.astype(np.float64)
    known = ~np.isnan(targets)
    weights = lesson.weights.astype(np.float64)[:, None] * known
    each = np.logaddexp(0, logits) - np.where(known, targets, 0) * logits
    return float((each * weights).sum() / weights.sum())


def over_time(values: Floats, around: Around) -> tuple[Floats, NDArray[np.int64]]:
    """Scores of windows (windows, tags) → those of the times at which a clip is heard (times, tags), as events have them, and the copy
    of each time (times,).
    """
    tags = tuple(map(str, range(values.shape[1])))
    bounds = np.searchsorted(around.copy, np.arange(len(around.spans) + 1))
    made: list[Floats] = []
    for (first, end), (onset, offset) in zip(pairwise(bounds.tolist()), around.spans.tolist(), strict=True):
        rows = slice(first, end)
        heard = track(
            Scores(values[rows], np.full(end - first, "recording"), around.start[rows], around.end[rows], tags)
        )  # of windows that overlap its clip, and so are all that cover a time of it
        kept = (heard.edges[1:] > onset + SAME) & (heard.edges[:-1] < offset - SAME) & ~np.isnan(heard.values).any(1)
        made.append(heard.values[kept].astype(np.float32))
    copy = np.repeat(np.arange(len(made)), np.array([len(each) for each in made], np.int64))
    return np.concatenate(made) if made else values[:0], copy


def _threshold(
    values: Floats, clip: NDArray[np.int64], copy: NDArray[np.int64], has: NDArray[np.bool_], recall: float
) -> float:
    """That which a share `recall` of the tag's copies reach; NaN where it has none. clip, copy: of each of the values."""
    own = has[clip]
    if not own.any():
        return float("nan")
    highest = np.zeros(int(copy.max()) + 1)
    np.maximum.at(highest, copy[own], values[own])
    reached = np.sort(highest[np.unique(copy[own])])[::-1]
    at = reached[max(0, int(np.ceil(recall * len(reached) - 1e-9)) - 1)]
    return float(np.clip(at, 1e-3, TOP))


def checked(clips: Manifest) -> None:
    """Raises ManifestError where no clip has a single tag, which is what is mixed."""
    if not any(len(tags) == 1 for tags in clips.table["tags"].to_pylist()):
        raise ManifestError(
            "--recordings: clips with one tag each are mixed into them, and here none has. Give --copies 0"
        )


def _batches(mixes: Iterator[Within | AudioError]) -> Iterator[list[Within | AudioError]]:
    while part := list(islice(mixes, BATCH)):
        yield part
