"""What is answered of one recording: asked of the library as the commands ask it, in the same bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError
from earmark.events import EventRules
from earmark.events import formats as eventfile
from earmark.inference.detection import listen
from earmark.inference.embedding import of_recording
from earmark.inference.engine import score
from earmark.inference.outputs import FRAMES, Choice, Format, piece
from earmark.inference.recordings import Failure, Scored
from earmark.models.anytagger import AnyTagger
from earmark.scores import Event
from earmark.serve.sounds import Sent
from earmark.serve.work import Task


@dataclass(frozen=True)
class Told:
    """An answer. body: as the command prints or writes it. notes: what was done to the sound. count: tags or events told."""

    body: bytes
    notes: tuple[str, ...]
    seconds: float
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class How:
    """What a request may change of how sound is heard; see the commands' options of these names."""

    gain: float = 0.0
    salvage: bool = False

    def options(self, task: Task) -> dict[str, Any]:
        """For `earmark.inference.score`: who left is noticed after each batch."""
        return {"gain": self.gain, "salvage": self.salvage, "workers": 1, "on_audio": task.look}


AS_IT_IS = How()


def tags(tagger: AnyTagger, sound: Sent, choice: Choice, how: How, task: Task) -> Told:
    """`earmark tag --json`. Raises AudioError, EarmarkError, Left."""
    with closing(score(tagger, [sound], **how.options(task))) as results:
        heard = _heard(next(iter(results)))
    found = choice.of(heard.values)
    text = FRAMES[Format.json].around(piece(heard, found, Format.json))
    return Told(encoded(text), heard.notes, heard.duration, tuple(tag.label for tag in found))


def events(tagger: AnyTagger, sound: Sent, rules: EventRules, form: str, how: How, task: Task) -> Told:
    """`earmark events --format`. Raises AudioError, EarmarkError, Left."""
    options = how.options(task)
    with closing(listen(tagger, tagger.framewise(), [sound], rules, **options)) as results:
        result, found = next(iter(results))
    heard = _heard(result)
    body = written({sound.path.name: found}, form, min(tagger.sample_rate / 2, sound.highest()))
    return Told(body, heard.notes, heard.duration, tuple(event.tag for event in found))


def written(found: dict[str, list[Event]], form: str, highest: float) -> bytes:
    """Events in one of the library's formats."""
    return encoded(eventfile.text(found, form, highest))


def embeddings(tagger: AnyTagger, sound: Sent, parquet: bool, how: How, task: Task) -> Told:
    """What `earmark embed` writes, as JSON or as its Parquet file. Raises AudioError, EarmarkError, Left."""
    options = how.options(task) | {"keep_windows": True, "hear_silence": True}
    with closing(score(tagger.embedder(), [sound], **options)) as results:
        heard = _heard(next(iter(results)))
    made = of_recording(heard, tagger.embedding_facts(how.gain))
    if not parquet:
        return Told(encoded(made.to_json() + "\n"), heard.notes, heard.duration)
    with tempfile.TemporaryDirectory(prefix="earmark-serve-") as folder:
        made.save(Path(folder) / "e.parquet")
        return Told((Path(folder) / "e.parquet").read_bytes(), heard.notes, heard.duration)


def encoded(text: str) -> bytes:
    """As the commands print it."""
    return text.encode("utf-8", "surrogateescape")


def _heard(result: Scored | Failure) -> Scored:
    if isinstance(result, Failure):
        raise result.error
    return result


def named(taggers: Iterable[tuple[str, AnyTagger]]) -> dict[str, AnyTagger]:
    """Taggers by their names: of a file without its ending. Raises EarmarkError for two of one name."""
    found: dict[str, AnyTagger] = {}
    for told, tagger in taggers:
        name = Path(told).stem if Path(told).suffix == ".safetensors" else Path(told).name
        if name in found:
            raise EarmarkError(f"two taggers are called {name}: rename the file of one")
        found[name] = tagger
    return found
