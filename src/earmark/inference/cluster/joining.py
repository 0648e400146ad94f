"""What pieces of a recording scored → what was heard in the recording, with the sums and the order of one machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from earmark.inference.cluster.hearing import Heard
from earmark.inference.counted import combined, result, take_in
from earmark.inference.decoding import Pending
from earmark.inference.options import Options
from earmark.inference.recordings import Failure, Recording, Scored
from earmark.inference.scorer import Scorer, Several
from earmark.inference.silence import Level
from earmark.windows import Pool


def join(
    recording: Recording,
    number: int,
    pieces: Iterable[Heard],
    scorers: Sequence[Scorer],
    options: Options,
    team: Several | None = None,
) -> Scored | Failure:
    """pieces: all of a recording, in order, one at a time. number: of the recording. team: whose members the scorers are."""
    rate = scorers[0].sample_rate
    pools = [Pool(scorer.windows.combine, normalise=scorer.task == "one") for scorer in scorers]
    pending = Pending(recording, number, pools, Level(rate))
    for piece in pieces:
        if piece.error is not None:
            return Failure(recording, piece.error)
        if piece.samples is not None:
            pending.samples, pending.ended = piece.samples, True
            pending.level = Level(rate, piece.low, piece.high, piece.samples)
            pending.notes = list(piece.notes)
        assert piece.counted is not None
        take_in(pending, piece.counted, scorers, options, team)
    made = result(pending, scorers, options)
    if isinstance(made, Failure):
        return made
    return made[0] if team is None else combined(team, made)
