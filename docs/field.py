"""From a disk of recordings to a table, where it is known what should stand there.

    python docs/field.py --data DATA --base yamnet.safetensors --out field      ESC-10: dog, rooster, crying_baby over brown noise
    python docs/field.py … --other                                              FSDKaggle2018: three instruments over pink noise
    python docs/field.py … --minutes 1                                          to try the commands
    python docs/field.py … --copies 8                                           the second of the two ways to learn alone
    python docs/field.py … --copies 8 --known 150 --between 60 --reviews 0 --lows 1 0.5 0.25
                                                                                dense calls: whether two are told as one

Makes three recordings of twenty minutes and a folder of clips of the same three tags to learn from; then does what a user does,
by the same commands, counts what was right, and writes `result.json` and `result.md`. Sounds of the recordings are from folds or
groups that nothing learns from. Then `--reviews` events are reviewed, answered from what is known, and learnt from; what that
changed is counted on the recordings that were reviewed, and on one that nobody reviewed: `reviewed.json`. Its sounds of the three
tags are in no other where the data set has some left (ESC-10), else the same at other places; those between are the same.

    known     80 events of three tags, 3 to 20 dB over the noise, each from a clip of its own in a recording
    between   as loud: other sounds, sneezes among them, and music
    several   events that are told over two known ones of their tag, or more
    right     an event that is told is right if it overlaps a known one of its tag; a known one is found if an event of
              its tag overlaps it
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile

from earmark.data import manifest
from earmark.data.manifest import Manifest
from earmark.data.soundscapes import make_scenes

BEGAN = ("20260427_033000", "20260427_235000", "20260428_053000")  # the second goes on over midnight
AFTER = ("20260429_033000",)  # of the recording that nobody reviews


@dataclasses.dataclass(frozen=True)
class Material:
    """What is mixed. tags: those that are looked for. learnt: clips of each that are learnt from. noise: behind all.

    other: whether the tags are those of FSDKaggle2018, with ESC-10 between, or the other way round.
    """

    tags: tuple[str, ...]
    noise: str
    other: bool
    learnt: int = 15
    known: int = 27  # in a recording of twenty minutes
    between: int = 18


FIRST = Material(("dog", "rooster", "crying_baby"), "brown", other=False)
SECOND = Material(("Flute", "Snare_drum", "Saxophone"), "pink", other=True, learnt=10)


def earmark(*words: object) -> str:
    """What a command prints, once it has been shown as one would type it."""
    typed = [str(word) for word in words]
    print("$ earmark", " ".join(typed), flush=True)
    done = subprocess.run([sys.executable, "-m", "earmark", *typed], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def clips(data: Path, name: str, folder: Path) -> Manifest:
    """A data set's clips."""
    listed = folder / f"{name}.parquet"
    earmark("index", name, data, "-o", listed)
    return manifest.read(listed)


def apart(
    known: Manifest, others: Sequence[tuple[str, Manifest]], wanted: Material
) -> tuple[Manifest, dict[str, list[Path]], Manifest]:
    """(the clips that recordings are mixed from, paths of those that are learnt from by tag, clips for other recordings): no group of
    the tags is in two of them.

    others: sounds that are heard between, by the tag that they get here.
    """
    rows: list[tuple[str, str, str, str]] = []
    learnt: dict[str, list[Path]] = {}
    spare: list[tuple[str, str, str, str]] = []
    truth = known.truth()
    for tag in wanted.tags:
        of = known.select(truth[:, known.vocabulary.index(tag)])
        # ESC-10 has folds; elsewhere the first half of the groups teaches
        groups = sorted(set(of.groups.tolist()))
        taught = (
            np.isin(of.folds, ["1", "2", "3"]) if of.fold_names() else np.isin(of.groups, groups[: len(groups) // 2])
        )
        teachers = of.select(taught)
        learnt[tag] = teachers.paths()[: wanted.learnt]
        spare += _rows(of.select(taught & ~np.isin(of.groups, teachers.groups[: wanted.learnt])), tag)
        rows += _rows(of.select(~taught), tag)
    for tag, clips_ in others:
        rows += _rows(clips_, tag)
        spare += _rows(clips_, tag)
    left = {tag for _, _, tag, _ in spare}
    return _built(rows), learnt, _built(spare if left.issuperset(wanted.tags) else rows)


def _built(rows: Sequence[tuple[str, str, str, str]]) -> Manifest:
    names = ("id", "path", "tags", "group")
    return manifest.build(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)), ".")


def _rows(clips_: Manifest, tag: str) -> Iterable[tuple[str, str, str, str]]:
    for name, path, group in zip(clips_.ids, clips_.paths(), clips_.groups, strict=True):
        yield f"{tag}-{name}", str(path), tag, str(group)


def sounds(data: Path, wanted: Material, folder: Path) -> tuple[Manifest, dict[str, list[Path]], Manifest]:
    """What `apart` makes of the two data sets."""
    esc = clips(data / "esc10", "esc", folder)
    fsd = clips(data / "fsdkaggle2018_mini", "fsdkaggle2018", folder)
    known, between = (fsd, esc) if wanted.other else (esc, fsd)
    if not wanted.other:
        known = known.select(np.isin(known.folds, ["1", "2", "3", "4", "5"]))
    has = known.truth()[:, [known.vocabulary.index(tag) for tag in wanted.tags]].any(axis=1)
    rest = known.select(~has if wanted.other else ~has & np.isin(known.folds, ["4", "5"]))
    names = ("music", "other") if wanted.other else ("other", "music")
    return apart(known, list(zip(names, (rest, between), strict=True)), wanted)


def record(
    pool: Manifest, wanted: Material, folder: Path, minutes: float, seed: int, begins: Sequence[str] = BEGAN
) -> list[dict[str, object]]:
    """Write recordings of so many minutes; returns what is heard in them: file, tag, onset, offset, snr_db.

    Each is two scenes, one behind the other: a scene is made in memory.
    """
    events = round((wanted.known + wanted.between) / 2 * minutes / 20)
    made = make_scenes(
        pool, folder / "scenes", 2 * len(begins), length=30 * minutes, events=(events, events), overlap=1,
        snr=(3.0, 20.0), background=wanted.noise, seed=seed, sample_rate=32_000,
    )  # fmt: skip
    (folder / "recordings").mkdir()
    heard: list[dict[str, object]] = []
    for number, began in enumerate(begins):
        name, halves = f"MEADOW_{began}.wav", []
        for half in (0, 1):
            scene = made.scenes[2 * number + half]
            wave, rate = soundfile.read(folder / "scenes" / "audio" / f"{scene.plan.name}.flac")
            halves.append(wave)
            heard += [
                {
                    "file": name, "tag": event.tag, "onset": round(event.onset + 30 * minutes * half, 3),
                    "offset": round(event.offset + 30 * minutes * half, 3), "snr_db": round(event.snr, 1),
                }
                for event in scene.plan.events if event.tag in wanted.tags
            ]  # fmt: skip
        soundfile.write(folder / "recordings" / name, np.concatenate(halves), rate, "PCM_16")
    shutil.rmtree(folder / "scenes")
    return heard


def material(data: Path, wanted: Material, folder: Path, minutes: float, seed: int) -> list[dict[str, object]]:
    """A folder with `recordings`, `sounds` (a folder a tag) and `truth.csv`, which nothing but the count looks at."""
    pool, learnt, spare = sounds(data, wanted, folder)
    for tag, paths in learnt.items():
        (folder / "sounds" / tag).mkdir(parents=True)
        for path in paths:
            shutil.copy(path, folder / "sounds" / tag / path.name)
    heard = record(pool, wanted, folder, minutes, seed)
    keep(heard, folder / "truth.csv")
    (folder / "unreviewed").mkdir()
    keep(record(spare, wanted, folder / "unreviewed", minutes, seed + 1, AFTER), folder / "unreviewed" / "truth.csv")
    return heard


def keep(heard: Sequence[Mapping[str, object]], path: Path) -> None:
    """Write down what is known."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(heard[0]))
        table.writeheader()
        table.writerows(heard)


def known_in(folder: Path) -> list[dict[str, object]]:
    """What `keep` wrote down."""
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        return [dict(row) for row in csv.DictReader(file)]


def meets(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether two events of a file and tag overlap."""
    return one["tag"] == other["tag"] and at_once(one, other)


def at_once(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether two events of a file overlap, whatever they are."""
    return (
        one["file"] == other["file"]
        and float(str(one["onset"])) < float(str(other["offset"]))
        and float(str(other["onset"])) < float(str(one["offset"]))
    )


def answered(table: Path, heard: Sequence[Mapping[str, object]]) -> list[str]:
    """Fill in a table of `earmark review` as somebody would who hears what is known: right; another tag; wrong. The answers."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        event = row | {"file": Path(row["recording"]).name}
        others = [known["tag"] for known in heard if at_once(event, known)]
        row["answer"] = "right" if row["tag"] in others else "other" if others else "wrong"
        row["right_tag"] = str(others[0]) if row["answer"] == "other" else ""
    with table.open("w", newline="", encoding="utf-8") as file:
        made = csv.DictWriter(file, list(rows[0]))
        made.writeheader()
        made.writerows(rows)
    return [row["answer"] for row in rows]


def count(
    told: Sequence[dict[str, object]], heard: Sequence[dict[str, object]], tags: Sequence[str]
) -> list[dict[str, object]]:
    """Of each tag: how many events were told and how many of these are right, how many are known and how many found."""

    rows: list[dict[str, object]] = []
    for tag in tags:
        ours, theirs = ([event for event in events if event["tag"] == tag] for events in (told, heard))
        right = sum(any(meets(event, known) for known in theirs) for event in ours)
        found = sum(any(meets(event, known) for event in ours) for known in theirs)
        several = sum(sum(meets(event, known) for known in theirs) > 1 for event in ours)
        rows.append({
            "tag": tag, "told": len(ours), "right": right, "known": len(theirs), "found": found,
            "several": several,
            "precision": round(right / len(ours), 3) if ours else None,
            "recall": round(found / len(theirs), 3) if theirs else None,
        })  # fmt: skip
    return rows


def events_of(folder: Path) -> list[dict[str, object]]:
    """The rows of a table that `earmark events --format csv` wrote."""
    with (folder / "events.csv").open(newline="", encoding="utf-8") as file:
        return [
            {"file": row["filename"], "tag": row["event_label"], "onset": row["onset"], "offset": row["offset"]}
            for row in csv.DictReader(file)
        ]


def story(folder: Path, base: Path, wanted: Material, copies: int) -> list[dict[str, object]]:
    """Index, learn, listen: the rows of `count`. copies: of a clip, mixed into the recordings; 0: clips as they are."""
    name = f"own-{copies}"
    earmark("index", "folder", folder / "sounds", "-o", folder / "sounds.csv")
    own = folder / name
    earmark(
        "train", folder / "sounds.csv", "--from", base, "--recordings", folder / "recordings", "--copies", copies, "--out", own,
        "--embeddings", folder / "embeddings",
    )  # fmt: skip
    return listened(own, folder, folder / f"events-{copies}", wanted)


def listened(own: Path, folder: Path, found: Path, wanted: Material, *options: object) -> list[dict[str, object]]:
    """What a run's tagger finds in the recordings of a folder: the rows of `count`. options: more of `earmark events`."""
    earmark(
        "events", folder / "recordings", "--tagger", own / "tagger.safetensors", "--format", "csv", "--out", found, *options
    )  # fmt: skip
    return count(events_of(found), known_in(folder), wanted.tags)


def review(
    folder: Path, wanted: Material, copies: int, many: int, before: list[dict[str, object]]
) -> dict[str, object]:
    """Review, answer, learn from it, listen again: what was answered, and the figures before and after. before: what `story` told."""
    old, table, apart_ = folder / f"own-{copies}", folder / "review.csv", folder / "unreviewed"
    earmark(
        "review", folder / f"events-{copies}", "-n", many, "--tagger", old / "tagger.safetensors", "--recordings",
        folder / "recordings", "-o", table,
    )  # fmt: skip
    answers = answered(table, known_in(folder))
    told = earmark(
        "retrain", old / "tagger.safetensors", "--reviews", table, "--recordings", folder / "recordings", "--data",
        folder / "sounds.csv", "--out", folder / "again", "--json",
    )  # fmt: skip
    where = "recordings that were reviewed", "a recording that nobody reviewed"
    figures = [
        (where[0], "before", before),
        (where[0], "after", listened(folder / "again", folder, folder / "events-again", wanted)),
        (where[1], "before", listened(old, apart_, apart_ / "events-before", wanted)),
        (where[1], "after", listened(folder / "again", apart_, apart_ / "events-again", wanted)),
    ]
    rows = [{"on": on, "when": when, **row} for on, when, each in figures for row in each]
    counted = {answer: answers.count(answer) for answer in sorted(set(answers))}
    return {"reviewed": counted, "changed": json.loads(told)["changed"], "rows": rows}


def written(rows: Sequence[dict[str, object]]) -> str:
    """As a table in Markdown."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([str(row[name]) for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=Path, required=True, help="with esc10 and fsdkaggle2018_mini")
    asked.add_argument("--base", type=Path, required=True, help="a tagger to learn on")
    asked.add_argument("--out", type=Path, required=True, help="a new folder")
    asked.add_argument("--other", action="store_true", help="the second material")
    asked.add_argument("--minutes", type=float, default=20.0, help="of a recording")
    asked.add_argument("--seed", type=int, default=0, help="of the recordings")
    asked.add_argument("--copies", type=int, nargs="+", default=[0, 8], help="of a clip, as it is learnt; 0: as it is")
    asked.add_argument(
        "--reviews", type=int, default=60, help="events that are reviewed, found by the last of these; 0: none"
    )
    asked.add_argument("--known", type=int, help="sounds of the tags in a recording of twenty minutes; default: 27")
    asked.add_argument("--between", type=int, help="other sounds in one; default: 18")
    asked.add_argument("--lows", type=float, nargs="+", default=[], help="listen with these --low, too")
    told = asked.parse_args()
    wanted = SECOND if told.other else FIRST
    wanted = dataclasses.replace(wanted, known=told.known or wanted.known, between=told.between or wanted.between)
    told.out.mkdir(parents=True)
    heard = material(told.data, wanted, told.out, told.minutes, told.seed)
    stories = {copies: story(told.out, told.base, wanted, copies) for copies in told.copies}
    rows = [
        {"learnt from": "clips as they are" if not copies else f"each clip {copies} times in the recordings", **row}
        for copies, each in stories.items()
        for row in each
    ]
    result = {"known": len(heard), "minutes": told.minutes, "seed": told.seed, "rows": rows}
    (told.out / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (told.out / "result.md").write_text(written(rows), encoding="utf-8")
    print(written(rows))
    last = told.copies[-1]
    if told.lows:
        lows = [
            {"low": low, **row}
            for low in told.lows
            for row in listened(
                told.out / f"own-{last}", told.out, told.out / f"events-low-{low:g}", wanted, "--low", low
            )
        ]
        (told.out / "lows.json").write_text(json.dumps(result | {"rows": lows}, indent=1) + "\n", encoding="utf-8")
        (told.out / "lows.md").write_text(written(lows), encoding="utf-8")
        print(written(lows))
    if told.reviews:
        said = review(told.out, wanted, last, told.reviews, stories[last])
        (told.out / "reviewed.json").write_text(
            json.dumps({"seed": told.seed, **said}, indent=1) + "\n", encoding="utf-8"
        )
        table = written(said["rows"])
        (told.out / "reviewed.md").write_text(f"{said['reviewed']}\n\n{table}", encoding="utf-8")
        print(table)


if __name__ == "__main__":
    main()
