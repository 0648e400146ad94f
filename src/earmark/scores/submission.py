"""Submissions to a challenge that asks for the likeliest labels of each clip: a CSV with the columns fname and label.

    fname,label
    00063640.wav,Hi-hat Snare_drum Cymbal

That is how DCASE 2018 task 2 wants them at Kaggle: up to three labels joined by blanks, the likeliest first. Within a
label a blank is an underscore. A clip is called by its file's name without the folder, with the ending .wav that the
challenge's clips have, whatever a copy of it is encoded in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from earmark.errors import ScoresError
from earmark.files import write_text
from earmark.files.stores import place
from earmark.files.tables import line_of
from earmark.scores.table import Scores

HEAD = "fname,label\n"
LABELS = 3  # of a clip, as the challenge counts them
ENDING = ".wav"


def spelled(tag: str) -> str:
    """A tag as one word.

    >>> spelled("Acoustic guitar")
    'Acoustic_guitar'
    """
    return "_".join(tag.split())


def called(path: str | Path) -> str:
    """What the challenge calls a recording.

    >>> called("audio_test/00063640.flac")
    '00063640.wav'
    """
    return Path(path).stem + ENDING


def row(path: str | Path, tags: Iterable[str]) -> str:
    """The line of a recording with these tags, the likeliest first."""
    return line_of([called(path), " ".join(map(spelled, tags))])


def save(path: str | Path, scores: Scores, recordings: Sequence[str | Path], top: int = LABELS) -> None:
    """Write the `top` likeliest tags of each row of the scores, whose recordings these are; the vocabulary's order breaks ties.

    Raises ScoresError for tags, or recordings, that could not be told apart.
    """
    check_tags(scores.tags)
    check_clips(recordings)
    likeliest = np.argsort(-scores.values.astype(np.float64), axis=1, kind="stable")[:, :top]
    rows = [row(place, [scores.tags[tag] for tag in best]) for place, best in zip(recordings, likeliest, strict=True)]
    place(path).parent.mkdir(parents=True, exist_ok=True)
    write_text(path, HEAD + "".join(rows))


def check_tags(tags: Sequence[str]) -> None:
    """Raises ScoresError for tags that could not be told apart."""
    _check_apart(tags, [spelled(tag) for tag in tags], "tags {} are both written {} in a submission: rename one")


def check_clips(paths: Sequence[str | Path]) -> None:
    """Raises ScoresError for recordings that the table would call alike."""
    _check_apart(
        [str(path) for path in paths],
        [called(path) for path in paths],
        "{} are both called {} in a submission, which names no folders: give the clips of one test set",
    )


def _check_apart(given: Sequence[str], written: Sequence[str], message: str) -> None:
    name, count = Counter(written).most_common(1)[0] if written else ("", 0)
    if count > 1:
        alike = [repr(each) for each, called_so in zip(given, written, strict=True) if called_so == name]
        raise ScoresError(message.format(" and ".join(alike[:2]), repr(name)))
