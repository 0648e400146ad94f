"""From a net's file, or the name of one that is known, to a tagger's file, and what is told of it."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.cli.terminal.console import say
from earmark.errors import EarmarkError, counted
from earmark.files.shown import shown
from earmark.registry import did_you_mean

if TYPE_CHECKING:
    from earmark.models.adopted.asked import Asked
    from earmark.models.adopted.fetching import Known
    from earmark.models.graphtagger import GraphTagger
    from earmark.models.tagger import Tagger

ONNX, STATES = ".onnx", (".pth", ".pt", ".safetensors")
OPTIONS = {
    "rate": "--sample-rate", "length": "--window", "hop": "--hop", "input": "--input", "scores": "--scores",
    "embedding": "--embedding", "values": "--logits/--probabilities", "task": "--task", "layout": "--layout",
    "combine": "--combine",
}  # fmt: skip
CHOICES = {"task": ("one", "many"), "combine": ("mean", "geometric", "max")}


@dataclass(frozen=True)
class Box:
    """What is told of an ONNX file; None where an option is not given. See `earmark.models.adopted.onnxbox.Told`."""

    rate: int | None = None
    length: str | None = None
    hop: str | None = None
    input: str | None = None
    scores: str | None = None
    embedding: str | None = None
    values: str | None = None
    task: str | None = None
    layout: str | None = None
    combine: str | None = None

    def given(self) -> dict[str, Any]:
        """Raises EarmarkError for a word that is none of an option's."""
        told = {name: value for name, value in vars(self).items() if value is not None}
        for name, choices in CHOICES.items():
            if name in told and told[name] not in choices:
                raise EarmarkError(f"{OPTIONS[name]} {told[name]}: give {' or '.join(choices)}")
        return told


@dataclass(frozen=True)
class Adopted:
    """What was written. graphs: whether engines without PyTorch can run it."""

    file: Path
    size: int
    tagger: Tagger | GraphTagger
    graphs: bool

    def as_dict(self) -> dict[str, Any]:
        tagger = self.tagger
        return {
            "file": str(self.file),
            "bytes": self.size,
            "tagger": tagger.identity(),
            "tags": len(tagger.vocabulary),
            "parameters": _numbers(tagger),
            "graphs": self.graphs,
            "adopted": tagger.facts.as_dict()["adopted"],
        }

    def text(self) -> str:
        told, origin = self.as_dict(), self.tagger.facts.adopted
        counts = (
            f"{counted(told['tags'], 'tag')}, {counted(told['parameters'], 'parameter')}, {counted(self.size, 'byte')}"
        )
        return f"{shown(self.file)}: {counts}\n  {shown(origin.words() if origin else '')}"


def _numbers(tagger: Tagger | GraphTagger) -> int:
    """Of its weights; of a graph's, those that are large enough to lie outside of it."""
    net = getattr(tagger, "net", None)
    weights = tagger.stored()[0].values() if net is None else ()
    return sum(each.size for each in weights) if net is None else sum(each.numel() for each in net.parameters())


def adopt(
    net: str, out: Path, labels: Path | None, licence: str | None, origin: str | None, box: Box = Box()
) -> Adopted:
    """Raises EarmarkError for what is missing, TaggerError for a file that is no known net."""
    from earmark.models.adopted import fetching

    if out.suffix != ".safetensors":
        raise EarmarkError(f"--out {out}: ends in {out.suffix or 'nothing'}: give FILE.safetensors")
    told = box.given()
    if told and Path(net).suffix != ONNX:
        raise EarmarkError(f"{OPTIONS[next(iter(told))]}: is of ONNX files alone, and {net} is none: leave it out")
    if Path(net).exists():
        tagger, graphs = _taken(_asked(Path(net), labels, licence, origin), told, out)
    else:
        known = fetching.KNOWN.get(net)
        if known is None:
            raise EarmarkError(
                f"{net}: no such file, and no net of that name{did_you_mean(net, fetching.KNOWN)} Known by name: "
                f"{', '.join(fetching.KNOWN)}"
            )
        from earmark.models.adopted.asked import Asked

        with tempfile.TemporaryDirectory(prefix="earmark-") as folder:
            file, names = _fetched(known, Path(folder), labels)
            tagger, graphs = _taken(Asked(file, names, licence or known.licence, origin or known.source), {}, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    tagger.save(out)
    return Adopted(out, out.stat().st_size, tagger, graphs)


def _taken(asked: Asked, told: dict[str, Any], out: Path) -> tuple[Tagger | GraphTagger, bool]:
    """(the tagger, whether it has graphs), by what kind of file it is."""
    if asked.file.suffix == ONNX:
        from earmark.models.adopted import onnxbox

        named = {"sample_rate" if name == "rate" else name: value for name, value in told.items()}
        return onnxbox.adopt(asked, onnxbox.Told(**named)), True
    from earmark.models.adopted import adopting

    tagger = adopting.adopt(asked)
    return tagger, _add_graphs(tagger, out)


def _asked(file: Path, labels: Path | None, licence: str | None, origin: str | None) -> Asked:
    """What is asked for with a file: of one that is known by its digest, licence and origin are known too."""
    from earmark.models.adopted import fetching, tflite
    from earmark.models.adopted.asked import Asked

    if not file.is_file():
        raise EarmarkError(f"{file}: is a folder. Give the net's file in it")
    if file.suffix not in (ONNX, *STATES):
        tflite.check_size(file)
    digest = _digest(file)
    known = next((each for each in fetching.KNOWN.values() if each.net.sha256 == digest), None)
    licence, origin = licence or (known.licence if known else None), origin or (known.source if known else None)
    for option, value, what in (
        ("--labels", labels, "a table with the names of its tags in the order of its outputs"),
        ("--licence", licence, "what its weights may be used for, such as Apache-2.0"),
        ("--origin", origin, "where it is from"),
    ):
        if value is None:
            raise EarmarkError(f"{file}: {option} is missing: {what}")
    assert labels is not None and licence is not None and origin is not None
    return Asked(file, labels, licence, origin)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fetched(known: Known, folder: Path, labels: Path | None) -> tuple[Path, Path]:
    from earmark.models.adopted import fetching

    homes = [known.net] if labels else [known.net, known.labels]
    say(f"{known.licence}: {known.terms}")
    for home in homes:
        say(f"fetching {home.name}, {counted(home.bytes, 'byte')}, from {home.addresses[0]}")
    files = [fetching.fetch(home, folder) for home in homes]
    return files[0], labels or files[1]


def _add_graphs(tagger: Tagger, file: Path) -> bool:
    """Graphs for engines without PyTorch, where what writes them is installed."""
    from earmark.cli.terminal import exporting
    from earmark.errors import TaggerError
    from earmark.models import export

    try:
        export.check_installed()
    except TaggerError as error:
        say(f"without graphs, so that it needs PyTorch: {error}")
        return False
    exporting.add_graphs(tagger, file)
    return True
