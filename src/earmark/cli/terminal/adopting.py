"""From a net's file, or the name of one that is known, to a tagger's file, and what is told of it."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.cli.terminal.console import say
from earmark.errors import EarmarkError
from earmark.files.shown import shown
from earmark.registry import did_you_mean

if TYPE_CHECKING:
    from earmark.models.adopted.adopting import Asked
    from earmark.models.adopted.fetching import Known
    from earmark.models.tagger import Tagger


@dataclass(frozen=True)
class Adopted:
    """What was written. graphs: whether engines without PyTorch can run it."""

    file: Path
    size: int
    tagger: Tagger
    graphs: bool

    def as_dict(self) -> dict[str, Any]:
        tagger = self.tagger
        return {
            "file": str(self.file),
            "bytes": self.size,
            "tagger": tagger.identity(),
            "tags": len(tagger.vocabulary),
            "parameters": sum(each.numel() for each in tagger.net.parameters()),
            "graphs": self.graphs,
            "adopted": tagger.facts.as_dict()["adopted"],
        }

    def text(self) -> str:
        told, origin = self.as_dict(), self.tagger.facts.adopted
        counts = f"{told['tags']} tags, {told['parameters']:,} parameters, {self.size:,} bytes"
        return f"{shown(self.file)}: {counts}\n  {shown(origin.words() if origin else '')}"


def adopt(net: str, out: Path, labels: Path | None, licence: str | None, origin: str | None) -> Adopted:
    """Raises EarmarkError for what is missing, TaggerError for a file that is no known net."""
    from earmark.models.adopted import adopting, fetching

    if out.suffix != ".safetensors":
        raise EarmarkError(f"--out {out}: ends in {out.suffix or 'nothing'}: give FILE.safetensors")
    if Path(net).exists():
        tagger = adopting.adopt(_asked(Path(net), labels, licence, origin))
    else:
        known = fetching.KNOWN.get(net)
        if known is None:
            raise EarmarkError(
                f"{net}: no such file, and no net of that name{did_you_mean(net, fetching.KNOWN)} Known by name: "
                f"{', '.join(fetching.KNOWN)}"
            )
        with tempfile.TemporaryDirectory(prefix="earmark-") as folder:
            file, names = _fetched(known, Path(folder), labels)
            tagger = adopting.adopt(adopting.Asked(file, names, licence or known.licence, origin or known.source))
    graphs = _add_graphs(tagger, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    tagger.save(out)
    return Adopted(out, out.stat().st_size, tagger, graphs)


def _asked(file: Path, labels: Path | None, licence: str | None, origin: str | None) -> Asked:
    """What is asked for with a file: of one that is known by its digest, licence and origin are known too."""
    from earmark.models.adopted import adopting, fetching, tflite

    if not file.is_file():
        raise EarmarkError(f"{file}: is a folder. Give the net's file in it")
    tflite.check_size(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
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
    return adopting.Asked(file, labels, licence, origin)


def _fetched(known: Known, folder: Path, labels: Path | None) -> tuple[Path, Path]:
    from earmark.models.adopted import fetching

    homes = [known.net] if labels else [known.net, known.labels]
    say(f"{known.licence}: {known.terms}")
    for home in homes:
        say(f"fetching {home.name}, {home.bytes:,} bytes, from {home.addresses[0]}")
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
