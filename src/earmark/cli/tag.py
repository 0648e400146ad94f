"""`earmark tag`: recordings → tags."""

from __future__ import annotations

import csv
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

if TYPE_CHECKING:
    from earmark.scores import Tag
    from earmark.tag import Heard


class Format(StrEnum):
    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


def tag(
    paths: Annotated[list[Path], typer.Argument(help="Recordings, or folders that are walked for some.")],
    tagger: Annotated[str, typer.Option(help="A tagger file, or the name of a shipped one.")] = "esc10",
    top: Annotated[int, typer.Option(min=1, help="How many tags for each recording.")] = 3,
    form: Annotated[Format, typer.Option("--format", help="Of the results.")] = Format.table,
    out: Annotated[Path | None, typer.Option(help="A file for the results; default: stdout.")] = None,
    windows: Annotated[Path | None, typer.Option(help="Also write each window's scores: .parquet or .csv.")] = None,
    pictures: Annotated[Path | None, typer.Option(help="A folder for a picture of each recording over time.")] = None,
    errors: Annotated[Path | None, typer.Option(help="CSV of the recordings that could not be read.")] = None,
    salvage: Annotated[bool, typer.Option("--salvage", help="Use what can be read of damaged recordings.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first recording that cannot be read.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Windows scored at once.")] = 32,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Say what is heard in each recording, however long it is."""
    from earmark import audio, scores, timeline
    from earmark import tagger as taggers
    from earmark.allocator import keep_freed_memory
    from earmark.cli.console import output, progress, say, say_notes, write_errors
    from earmark.tag import Failure, Recording, score

    keep_freed_memory()
    listener = taggers.load(tagger, device)
    found = audio.find(paths)
    failures: list[tuple[str, str]] = []
    kept = []
    drawn: set[str] = set()
    notes: list[str] = []
    with output(out) as file, progress() as bar:
        writer = {Format.table: Table, Format.json: Json, Format.jsonl: JsonLines, Format.csv: Csv}[form](file)
        task = bar.add_task(f"{len(found)} recordings", total=len(found), told="")
        seconds = 0.0

        def on_audio(more: float) -> None:
            nonlocal seconds
            seconds += more
            bar.update(task, told=f"{seconds / 60:.1f} min of audio")

        results = score(
            listener, [Recording(path) for path in found],
            batch=batch, workers=workers, salvage=salvage, keep_windows=windows is not None or pictures is not None, on_audio=on_audio,
        )  # fmt: skip
        for result in results:
            bar.advance(task)
            if isinstance(result, Failure):
                if strict:
                    raise result.error
                failures.append((result.error.path, str(result.error)))
                continue
            notes += result.notes
            writer.add(result, result.tags(listener.vocabulary, top))
            if windows is not None and result.windows is not None:
                kept.append(result.windows)
            if pictures is not None:
                timeline.draw(result, listener.sample_rate, picture_path(pictures, result, drawn), salvage=salvage)
        writer.close()
    say_notes(notes)
    if windows is not None and kept:
        scores.concat(kept).save(windows)
    write_errors(errors, [(path, reason.removeprefix(f"{path}: ")) for path, reason in failures])
    if not found:
        say(
            f"no recordings in {', '.join(str(path) for path in paths)}: files with other endings are tried when given by name"
        )
    if failures:
        if errors is None:
            for _, reason in failures[:20]:
                say(reason)
        say(f"{len(failures)} of {len(found)} recordings could not be read")
        raise typer.Exit(1)


def picture_path(folder: Path, heard: Heard, taken: set[str]) -> Path:
    """folder/name.png, numbered where recordings of different folders have one name."""
    folder.mkdir(parents=True, exist_ok=True)
    name, number = heard.recording.path.name, 2
    while name in taken:
        name, number = f"{heard.recording.path.name}-{number}", number + 1
    taken.add(name)
    return folder / f"{name}.png"


class Table:
    """Lines for people: the tags beside the file they were heard in."""

    def __init__(self, file: TextIO):
        self.file = file

    def add(self, heard: Heard, tags: list[Tag]) -> None:
        told = "  ".join(f"{tag.label} {tag.score:.2f}" for tag in tags)
        print(f"{heard.recording.path}  {clock(heard.duration)}  {told}", file=self.file, flush=True)

    def close(self) -> None:
        pass


class JsonLines(Table):
    """One object a recording, written as soon as it is known."""

    def add(self, heard: Heard, tags: list[Tag]) -> None:
        print(json.dumps(record(heard, tags), ensure_ascii=False), file=self.file, flush=True)


class Json(Table):
    """One list."""

    def __init__(self, file: TextIO):
        super().__init__(file)
        self.records: list[dict[str, object]] = []

    def add(self, heard: Heard, tags: list[Tag]) -> None:
        self.records.append(record(heard, tags))

    def close(self) -> None:
        print(json.dumps(self.records, indent=1, ensure_ascii=False), file=self.file)


class Csv(Table):
    """One row a tag."""

    def __init__(self, file: TextIO):
        super().__init__(file)
        self.writer = csv.writer(file, lineterminator="\n")
        self.writer.writerow(["path", "duration", "label", "score"])

    def add(self, heard: Heard, tags: list[Tag]) -> None:
        for tag in tags:
            self.writer.writerow([heard.recording.path, f"{heard.duration:.3f}", tag.label, f"{tag.score:.6f}"])
        self.file.flush()


def record(heard: Heard, tags: list[Tag]) -> dict[str, object]:
    """A recording's result as plain values."""
    told = [{"label": tag.label, "score": round(tag.score, 6)} for tag in tags]
    return {"path": str(heard.recording.path), "duration": round(heard.duration, 6), "tags": told}


def clock(seconds: float) -> str:
    """Seconds → h:mm:ss, or m:ss.s below an hour."""
    if seconds < 3600:
        return f"{int(seconds // 60)}:{seconds % 60:04.1f}"
    return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d}:{int(seconds % 60):02d}"
