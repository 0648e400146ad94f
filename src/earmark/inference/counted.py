"""What scorers made of a recording's windows, and what becomes of it: scores of the recording, rows of its windows.

    score a stretch → `count` → Counted → `take_in` → Pending … `result` → Scored

The first half needs the sound, the second does not: the windows of a long recording may be scored on other machines, and
taken in here, in their order, with the same sums as if they had been scored here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from earmark.errors import AudioError
from earmark.inference.decoding import Pending
from earmark.inference.options import Options
from earmark.inference.recordings import Counted, Failure, Part, Scored
from earmark.inference.scorer import Scorer, Several, without
from earmark.inference.silence import FLOORLESS, Run, quiet, runs, told_of_level
from earmark.scores import Scores
from earmark.windows import Stretch, weights


def count(
    scorers: Sequence[Scorer],
    stretch: Stretch,
    values: Sequence[NDArray[np.float32]],
    samples: int | None,
    options: Options,
) -> Counted:
    """Take silence out of what each of the scorers, which hear the same windows, made of a stretch. samples: of the whole
    recording, where that is known. Of one that is shorter than a window see `short`.
    """
    silent = [] if options.hear_silence else runs(stretch, scorers[0].sample_rate, samples)
    return _counted(scorers, stretch, values, silent, options)


def short(
    scorers: Sequence[Scorer], stretch: Stretch, values: Sequence[NDArray[np.float32]], silent: bool, options: Options
) -> Counted:
    """The same of a recording that is filled up to a window, by zeros or repetitions. silent: whether nothing is in it."""
    whole = [Run(number, 0, stretch.length, True) for number in range(len(stretch)) if silent]
    return _counted(scorers, stretch, values, [] if options.hear_silence else whole, options)


def _counted(
    scorers: Sequence[Scorer],
    stretch: Stretch,
    values: Sequence[NDArray[np.float32]],
    silent: list[Run],
    options: Options,
) -> Counted:
    faint = _faint(scorers, stretch, silent, options)
    nothing = silent + faint
    sounding = np.ones(len(stretch), bool)
    sounding[[run.number for run in nothing if run.whole]] = False
    heard = tuple(without(scorer, value, nothing) for scorer, value in zip(scorers, values, strict=True))
    by_rule = {rule: weights(stretch.windows(), rule) for rule in {scorer.windows.weigh for scorer in scorers}}
    counts = tuple(by_rule[scorer.windows.weigh] for scorer in scorers)
    return Counted(stretch.starts, heard, counts, sounding, len(silent), len(faint))


def take_in(
    pending: Pending, counted: Counted, scorers: Sequence[Scorer], options: Options, team: Several | None
) -> None:
    """Windows become part of their recording, in their order."""
    pending.silences += counted.silences
    pending.faint += counted.faint
    pending.sounding += int(counted.sounding.sum())
    length, _ = scorers[0].windows.samples(scorers[0].sample_rate)
    pending.covered.push(counted.starts, length)
    pending.heard.push(counted.starts[counted.sounding], length)
    for pool, value, weight in zip(pending.pools, counted.values, counted.weights, strict=True):
        pool.add(value[counted.sounding], weight[counted.sounding])
    if options.keep_windows or options.on_part:
        rows = [_rows(pending, counted, scorer, value) for scorer, value in zip(scorers, counted.values, strict=True)]
        _tell(pending, rows, scorers[0].sample_rate, options, team)
    pending.scored += len(counted)


def no_number(pending: Pending, stretch: Stretch, values: list[NDArray[np.float32]], rate: int) -> AudioError | None:
    """Where a score is NaN or infinite, which no mean over windows and no sorting of tags would show."""
    fine = np.logical_and.reduce([np.isfinite(scores).all(1) for scores in values])
    if fine.all():
        return None
    second = (pending.recording.start or 0.0) + int(stretch.starts[int(np.argmin(fine))]) / rate
    problem = f"the tagger's scores of the window at {second:.2f} s are no finite numbers"
    remedy = (
        "Check the sound there, which may be far beyond full scale; if other recordings fail alike, the tagger's file"
    )
    return AudioError(pending.recording.path, problem, remedy)


def result(pending: Pending, scorers: Sequence[Scorer], options: Options) -> list[Scored] | Failure:
    """What each scorer made of a recording whose windows have all been taken in."""
    if pending.error is not None:
        return Failure(pending.recording, pending.error)
    assert pending.samples is not None and pending.waiting == 0
    duration = pending.samples / scorers[0].sample_rate
    silent = not pending.sounding
    notes = (*pending.notes, *_told_of_level(pending, silent, scorers, options))
    unheard = (pending.covered.within(pending.samples) - pending.heard.within(pending.samples)) / scorers[0].sample_rate
    results = []
    for number, (scorer, pool) in enumerate(zip(scorers, pending.pools, strict=True)):
        windows = None
        if pending.kept:
            parts = [rows[number] for rows in pending.kept]
            ids, start, end = (np.concatenate([getattr(p, name) for p in parts]) for name in ("ids", "start", "end"))
            windows = Scores(np.concatenate([p.values for p in parts]), ids, start, end, parts[0].tags)
        values = np.zeros(len(scorer.vocabulary), np.float32) if silent else pool.result()
        peak, told = pending.level.peak, scorer.vocabulary
        nothing = duration if silent else unheard
        results.append(Scored(pending.recording, duration, values, notes, windows, peak, silent, told, nothing))
    return results


def combined(team: Several, results: list[Scored]) -> Scored:
    """What the members of an ensemble made of a recording, as one."""
    first = results[0]
    notes = tuple(dict.fromkeys(note for each in results for note in each.notes))
    values = team.combine([each.values[None] for each in results])[0]
    windows = _combined_rows(team, [each.windows for each in results if each.windows is not None])
    silent = all(each.silent for each in results)
    values = np.zeros_like(values) if silent else values
    unheard = first.duration if silent else first.unheard
    return Scored(first.recording, first.duration, values, notes, windows, first.peak, silent, team.vocabulary, unheard)


def _combined_rows(team: Several, rows: list[Scores]) -> Scores | None:
    if not rows:
        return None
    first = rows[0]
    values = team.combine([scores.values for scores in rows])
    # silence has no scores; a rule that ranks would rank them
    values = np.where(np.any([scores.values.any(1) for scores in rows], axis=0)[:, None], values, np.zeros_like(values))
    return Scores(values, first.ids, first.start, first.end, team.vocabulary)


def _faint(scorers: Sequence[Scorer], stretch: Stretch, silent: Sequence[Run], options: Options) -> list[Run]:
    """The windows, beside those of digital silence, that are below the floor."""
    floor = _floor(scorers, options)
    known = {run.number for run in silent if run.whole}
    return [Run(number, 0, stretch.length, True) for number in quiet(stretch, floor) if number not in known]


def _floor(scorers: Sequence[Scorer], options: Options) -> float:
    """dBFS; of several that hear the same windows the lowest of theirs."""
    if options.hear_silence:
        return FLOORLESS
    if options.floor is not None:
        return options.floor
    return min(float(getattr(scorer, "floor", FLOORLESS)) for scorer in scorers)


def _rows(pending: Pending, counted: Counted, scorer: Scorer, values: NDArray[np.float32]) -> Scores:
    """The scores of windows with their times in the file; within the recording, as far as its end is known."""
    offset, rate = pending.recording.start or 0.0, scorer.sample_rate
    length, _ = scorer.windows.samples(rate)
    start = offset + counted.starts / rate
    # in samples, as the recording's end is: then it makes no difference whether that is known yet
    end = offset + (counted.starts + length) / rate
    if pending.samples is not None:
        end = np.minimum(end, offset + pending.samples / rate)
    return Scores(values, np.full(len(start), pending.recording.name), start, end, scorer.vocabulary)


def _tell(pending: Pending, rows: list[Scores], rate: int, options: Options, team: Several | None) -> None:
    if options.keep_windows:
        pending.kept.append(rows)
    if options.on_part:
        whole = rows[0] if team is None else _combined_rows(team, rows)
        assert whole is not None
        duration = None if pending.samples is None else pending.samples / rate
        options.on_part(Part(pending.recording, whole, pending.scored, duration, pending.number))


def _told_of_level(pending: Pending, silent: bool, scorers: Sequence[Scorer], options: Options) -> list[str]:
    assert pending.samples is not None
    floor = _floor(scorers, options)
    told = told_of_level(pending.level, silent, bool(pending.silences), floor, bool(pending.faint))
    return [f"{pending.recording.path}: {told}"] if told else []
