"""False alarms an hour of the shipped taggers, for their cards: events that they tell of recordings without their sounds.

    python -m benchmarks.alarms --data DATA              prints the tables
    python -m benchmarks.alarms --data DATA --record     writes them into the tagger files and their cards
    python -m benchmarks.alarms --data DATA --only NAME  of one tagger

DATA holds public sets that no tagger learnt from, each in a folder as `earmark index` reads it. Their clips are short: those of
a kind are heard one behind the other, as one recording at the tagger's rate. Noise is made here, ten minutes of each colour. The
rules are those of `earmark events` for that tagger.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from earmark import audio
from earmark.cli.terminal.bar import Bar
from earmark.data.soundscapes.plan import COLOURS
from earmark.data.soundscapes.render import noise
from earmark.evaluation.alarms import false_alarms, record, together
from earmark.models import loading
from earmark.models.facts import Alarms
from earmark.models.testfacts import number

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COMMANDS = ("speech_commands_v0.01_mini", "speech_commands_test_v0.02_mini")
MINUTES = 10.0
CARDS = Path(__file__).parent.parent / "src/earmark/models/taggers"
HEADING = "## False alarms"


def sounds(*folders: Path, but: Sequence[str] = ()) -> list[Path]:
    """The recordings below folders, without those in folders of these names."""
    return [path for path in audio.find(list(folders)) if path.parent.name not in but]


def foreign(data: Path) -> dict[str, dict[str, list[Path]]]:
    """By tagger and kind: recordings in which none of its sounds is heard."""
    both = {
        "ten instruments (FSDKaggle2018)": sounds(data / "fsdkaggle2018_mini"),
        "eight instruments (Medley-solos-DB)": sounds(data / "medley_solos_db_mini"),
        "songs of a caged finch": sounds(data / "birdsong_strong"),
    }
    commands = [data / name for name in COMMANDS]
    everyday = {
        "spoken digits (FSDD)": sounds(data / "fsdd"),
        "spoken commands (Speech Commands)": sounds(*commands, but=["_silence_"]),
        **both,
    }
    return {
        "esc10": everyday,
        "esc10-small": everyday,
        # words of `_unknown_` may be digits
        "digits": {
            "everyday sounds (ESC-10)": sounds(data / "esc10"),
            "spoken commands without digits (Speech Commands)": sounds(
                *commands, but=["_silence_", "_unknown_", *DIGITS]
            ),
            **both,
        },
    }


def joined(paths: Sequence[Path], rate: int, file: Path) -> Path:
    """One recording of all, one behind the other."""
    with soundfile.SoundFile(file, "w", rate, 1, "FLOAT") as out:
        for path in paths:
            out.write(audio.load(path, rate, report=lambda _: None))
    return file


def noises(rate: int, level: float, folder: Path) -> Iterator[Path]:
    """White, pink and brown noise of this level, dBFS as the root of the mean square."""
    for seed, (colour, falls) in enumerate(COLOURS.items()):
        wave = noise(round(MINUTES * 60 * rate), rate, falls, np.random.default_rng(seed))
        file = folder / f"{colour}{level:g}.wav"
        soundfile.write(file, wave * 10 ** (level / 20), rate, "FLOAT")
        yield file


def measured(
    name: str, kinds: dict[str, list[Path]], save: Callable[[Sequence[Alarms]], None] | None = None
) -> list[Alarms]:
    """Of one tagger, by kind. save: what is to be done with them once they are known."""
    tagger = loading.load(name, "cpu")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        heard = {
            kind: [joined(paths, tagger.sample_rate, folder / f"{n}.wav")]
            for n, (kind, paths) in enumerate(kinds.items())
        }
        for level in (-20, -40):
            heard[f"white, pink and brown noise at {level} dBFS"] = list(noises(tagger.sample_rate, level, folder))
        found = list(false_alarms(tagger, heard, progress=Bar()).alarms)
    if save is not None:
        record(name, tagger, found)
        save(found)
    return found


def table(found: Sequence[Alarms]) -> str:
    """In Markdown, as cards have it."""
    rows = [
        "| recordings | hours | events | an hour (95 % interval) | most often told |",
        "| --- | --- | --- | --- | --- |",
    ]
    for each in [*found, together(found)]:
        rate = each.rate
        most = ", ".join(f"{tag} {count}" for tag, count in list(each.tags.items())[:2]) or "–"
        told = f"{number(rate.value)} ({number(rate.low)} to {number(rate.high)})"
        rows.append(f"| {each.of} | {each.hours:.2f} | {each.events:,} | {told} | {most} |")
    return "\n".join(rows) + "\n"


def put(card: str, found: Sequence[Alarms]) -> str:
    """A card with this table in the place of the one that it has. Raises ValueError for a card without its heading."""
    before, heading, rest = card.partition(HEADING)
    if not heading:
        raise ValueError(f"the card has no {HEADING!r}: write the section with a table, which is then replaced")
    lines = rest.splitlines(keepends=True)
    rows = [n for n, line in enumerate(lines) if line.startswith("|")]
    of_table = [n for n in rows if n - rows[0] == rows.index(n)]
    return before + heading + "".join([*lines[: of_table[0]], table(found), *lines[of_table[-1] + 1 :]])


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=Path, required=True, help="the public sets, a folder each")
    asked.add_argument("--record", action="store_true", help="write files and cards")
    asked.add_argument("--only", help="this tagger alone")
    told = asked.parse_args()
    known = foreign(told.data)
    if told.only is not None and told.only not in known:
        asked.error(f"--only {told.only}: the taggers are {', '.join(known)}")
    for name, kinds in known.items():
        if told.only not in (None, name):
            continue

        def save(found: Sequence[Alarms], card: Path = CARDS / f"{name}.md") -> None:
            card.write_text(put(card.read_text(encoding="utf-8"), found), encoding="utf-8")

        print(f"{name}\n{table(measured(name, kinds, save if told.record else None))}")


if __name__ == "__main__":
    main()
