"""Speech Commands: spoken words of one second, versions 0.01 and 0.02, and their test files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

from earmark.data.datasets import AUDIO, SHOWN, choose, dataset, refuse
from earmark.data.manifest import Manifest, build
from earmark.errors import ManifestError, counted
from earmark.files import read_text

LAYOUT = {
    "validation_list.txt": "yes/026290a7_nohash_0.wav\n",
    "testing_list.txt": "bed/0c40e715_nohash_0.wav\n",
    "yes/026290a7_nohash_0.wav": AUDIO,
    "yes/6d818f6c_nohash_0.wav": AUDIO,
    "bed/0c40e715_nohash_0.wav": AUDIO,
    "_background_noise_/running_tap.wav": AUDIO,
}
COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
OTHERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("bed", "bird", "cat", "dog", "happy", "house", "marvin", "sheila", "tree", "wow"),
    *("backward", "follow", "forward", "learn", "visual"),  # of version 0.02
)
SILENCE, UNKNOWN, NOISE = "_silence_", "_unknown_", "_background_noise_"
TWELVE = (SILENCE, UNKNOWN, *COMMANDS)  # in the order of the authors' training program
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
PIECE = 1.0  # s, the length of the words' recordings
# the test files put the word before the speaker: backward_5170b77f_nohash_4
SPEAKER = re.compile(r"^(?:[a-z]+_)?(?P<speaker>[0-9a-f]+)_nohash_")


@dataset(licence="CC BY 4.0", clips=105_829, tags=35)
def speechcommands(root: Path, classes: Literal["all", "twelve"] = "all", silence: float | None = PIECE) -> Manifest:
    """Speech Commands: one word a clip of 1 s or less, 16 kHz. v0.01: 64,727 clips, 30 tags; v0.02: 105,829, 35 tags.

    Licence: CC BY 4.0. From: https://www.tensorflow.org/datasets/catalog/speech_commands (speech_commands_v0.01.tar.gz,
    speech_commands_v0.02.tar.gz, speech_commands_test_set_v0.02.tar.gz).
    P. Warden, "Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition", arXiv:1804.03209.
    Folds: "validation" and "test" by the official lists, "train" for the rest. Groups: the speaker.
    silence: in fold "train", pieces of 1 s of the recordings in _background_noise_ are clips tagged "_silence_", with
    the recording as group; this is the number of seconds from the start of one to that of the next, None makes none.
    The official lists of the other folds hold none. With it v0.01 has the 31 classes of T. Kim and others, ICASSP 2018,
    table 1, who train on the folds "train" and "test" (64,727 - 6798 = 57,929 words) and test on other recordings.
    classes="twelve": "_silence_", "_unknown_" for all words but the ten commands, and these. The official test files,
    sorted into these twelve folders, are fold "test" of this data set and have these tags in either case.
    """
    choose("classes", classes, "all", "twelve")
    if silence is not None and not silence > 0:
        raise ManifestError(
            f"silence is {silence}; the seconds from one piece of noise to the next are above 0, or None"
        )
    there = {entry.name for entry in root.iterdir() if entry.is_dir()} if root.is_dir() else set()
    words = [word for word in (*COMMANDS, *OTHERS) if word in there]
    sorted_into_twelve = UNKNOWN in there
    if not words:
        refuse(root, LAYOUT, "no folder of a word, such as yes")
    absent = [name for name in LISTS.values() if not (root / name).is_file()]
    if absent and not sorted_into_twelve:
        refuse(root, LAYOUT, f"{' and '.join(absent)} not found")
    folders = [word for word in TWELVE if word in there] if sorted_into_twelve else words
    names = [f"{folder}/{name}" for folder in folders for name in _recordings(root / folder)]
    if not names:
        raise ManifestError(f"{root}: the folders of words hold no recordings")
    facts: dict[str, Any] = {"layout": "test files of twelve classes" if sorted_into_twelve else "words"}
    others = sorted(name for name in there - {*folders, NOISE} if not name.startswith("."))
    facts |= {"folders left out": others} if others else {}
    if sorted_into_twelve:
        folds = ["test"] * len(names)
        order = folders
    else:
        listed = {part: official_list(root / name) for part, name in LISTS.items()}
        folds = folds_of(names, listed)
        stems = {_stem(name) for name in names}
        facts["listed but not there"] = {part: len(stem_of - stems) for part, stem_of in listed.items()}
        order = [*words, SILENCE]
    tags = [_tag(name.partition("/")[0], classes) for name in names]
    clips: dict[str, list[Any]] = {
        "id": [_stem(name) for name in names],
        "path": list(names),
        "start": [None] * len(names),
        "end": [None] * len(names),
        "tags": [[tag] for tag in tags],
        "fold": folds,
        "group": [speaker(name) for name in names],
    }
    if not sorted_into_twelve and silence is not None:
        facts["silence"] = _add_noise(clips, root, silence)
    present = {tag for (tag,) in clips["tags"]}
    vocabulary = tuple(tag for tag in (TWELVE if classes == "twelve" else order) if tag in present)
    return build(clips, root, vocabulary=vocabulary, facts=facts, name=str(root))


def official_list(file: Path) -> set[str]:
    """The entries of a list, without their endings: "bed/0c40e715_nohash_0"."""
    lines = read_text(file, ManifestError).splitlines()
    names = [line.strip().replace("\\", "/") for line in lines if line.strip()]
    odd = [name for name in names if name.count("/") != 1]
    if odd:
        raise ManifestError(f"{file}: {odd[0]!r} is not of the form word/recording.wav")
    return {_stem(name) for name in names}


def folds_of(names: list[str], listed: dict[str, set[str]]) -> list[str]:
    """The fold of each recording. listed: fold → names without endings; what is in none is "train"."""
    both = sorted(set.intersection(*listed.values()))
    if both:
        raise ManifestError(
            f"{counted(len(both), 'recording is', 'recordings are')} in both {' and '.join(LISTS.values())}, such as {both[0]}"
        )
    parts = {name: part for part, stems in listed.items() for name in stems}
    return [parts.get(_stem(name), "train") for name in names]


def speaker(name: str) -> str | None:
    """ "bed/0c40e715_nohash_0.wav" → "0c40e715"; None for what has no speaker."""
    match = SPEAKER.match(name.rpartition("/")[2])
    return match["speaker"] if match else None


def pieces(duration: float, hop: float) -> list[tuple[float | None, float | None]]:
    """(start, end) of pieces of 1 s, whole ones only; of a shorter recording the whole, which is (None, None)."""
    if duration < PIECE:
        return [(None, None)]
    count = int((duration - PIECE) / hop + 1e-9) + 1
    return [(round(at * hop, 6), round(at * hop + PIECE, 6)) for at in range(count)]


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def _tag(folder: str, classes: str) -> str:
    return UNKNOWN if classes == "twelve" and folder not in TWELVE else folder


def _recordings(folder: Path) -> list[str]:
    from earmark.audio import EXTENSIONS

    return sorted(
        name
        for name in os.listdir(folder)
        if os.path.splitext(name)[1].lower() in EXTENSIONS and not name.startswith(".")
    )


def _add_noise(clips: dict[str, list[Any]], root: Path, hop: float) -> Any:
    """Adds the clips of silence, and tells what was added."""
    from earmark.audio import info

    names = [f"{NOISE}/{name}" for name in _recordings(root / NOISE)] if (root / NOISE).is_dir() else []
    if not names:
        return f"none: no recordings in {NOISE}"
    before = len(clips["id"])
    for name in names:
        duration = info(root / name).duration
        if duration is None:
            raise ManifestError(
                f"{root / name}: its header does not say how long it is, so it cannot be cut into pieces"
            )
        for start, end in pieces(duration, hop):
            row = (f"{_stem(name)}@{start or 0:.10g}", name, start, end, [SILENCE], "train", _stem(name))
            for column, value in zip(clips, row, strict=True):
                clips[column].append(value)
    shown = names[:SHOWN]
    return {"clips": len(clips["id"]) - before, "recordings": shown, "seconds from one to the next": hop}
