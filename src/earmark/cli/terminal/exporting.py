"""From a tagger's file to a file with its graphs, and to what is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.errors import EarmarkError

if TYPE_CHECKING:
    from earmark.models.proof import Proof

ENDINGS = (".safetensors", ".onnx")


@dataclass(frozen=True)
class Exported:
    """What was written, and how its scores differ from PyTorch's."""

    file: Path
    size: int
    graphs: list[str]
    sounds: str
    proofs: list[Proof]

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": str(self.file),
            "bytes": self.size,
            "graphs": self.graphs,
            "compared_on": self.sounds,
            "compared": [proof.as_dict() for proof in self.proofs],
        }

    def text(self) -> str:
        lines = [f"{self.file}: {self.size:,} bytes, {', '.join(self.graphs)}", f"compared on {self.sounds}:"]
        for proof in self.proofs:
            lines.append(
                f"  {proof.engine}: scores differ by {proof.max_abs_difference:.1e} at most; "
                f"{proof.flips} of {proof.windows} windows have another first tag"
                + (": too far off, do not run it with this engine" if proof.differs else "")
            )
        return "\n".join(lines)


def export(
    name: str,
    paths: Sequence[Path],
    out: Path | None,
    part: str,
    precision: str,
    calibrate: Sequence[Path],
    windows: int,
) -> Exported:
    """Writes the file, once it is proved. Raises EarmarkError for options that do not go together, TaggerError."""
    if find_spec("torch") is None:  # before what follows imports it, which would name the extra for training
        raise EarmarkError("export needs torch and what writes graphs: `pip install 'earmark[export]'`")
    from earmark.models import export as exporting
    from earmark.models import loading
    from earmark.models.ensemble import Ensemble

    if out is None and not Path(name).is_file() and name in loading.shipped():
        raise EarmarkError(f"{name} is a shipped tagger and stays as it is: name a new file with --out")
    file = out or loading.find(name)
    _check(file, part, precision, calibrate)
    exporting.check_installed()
    loaded = loading.load(name, engine="torch")
    members = [_member(member.alone, file, paths, part, precision, calibrate, windows) for member in loaded.members]
    if file.suffix == ".onnx":
        if len(members) > 1:
            raise EarmarkError(
                f"{name} is an ensemble of {len(members)}, of which each hears its own windows: an ONNX file holds one "
                "net. Give the members' files, or write FILE.safetensors, which holds all"
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        members[0].write(file)
    elif isinstance(loaded, Ensemble):
        loaded.save(file)
    else:
        loaded.alone.save(file)
    proofs = [proof for member in members for proof in member.proofs]
    return Exported(file, file.stat().st_size, members[0].names, members[0].sounds, proofs)


def add_graphs(tagger: Any, file: Path, windows: int = 24) -> list[Proof]:
    """Put graphs that are proved into a tagger that is to become a `.safetensors` file."""
    return _member(tagger, file, [], "whole", "float32", [], windows).proofs


def _check(file: Path, part: str, precision: str, calibrate: Sequence[Path]) -> None:
    if file.suffix not in ENDINGS:
        raise EarmarkError(f"--out {file}: ends in {file.suffix or 'nothing'}: give FILE.safetensors or FILE.onnx")
    if precision == "int8" and not calibrate:
        raise EarmarkError(
            "--precision int8 needs --calibrate RECORDINGS: the ranges of what goes through the net, best those that it "
            "learnt from, and none that it is to be judged on"
        )
    if precision == "int8" and file.suffix == ".onnx" and part == "whole":
        raise EarmarkError("--precision int8 is of the net alone: add --part body, or write FILE.safetensors")


@dataclass(frozen=True)
class Member:
    """One tagger's model, proved. names: of its graphs."""

    model: bytes
    names: list[str]
    sounds: str
    proofs: list[Proof]

    def write(self, file: Path) -> None:
        from earmark.files import write_bytes

        write_bytes(file, self.model)


def _member(
    tagger: Any,
    file: Path,
    paths: Sequence[Path],
    part: str,
    precision: str,
    calibrate: Sequence[Path],
    windows: int,
) -> Member:
    from earmark import audio
    from earmark.cli.terminal.console import say
    from earmark.models import export as exporting
    from earmark.models import onnxfile, proof

    found = audio.find(paths, say) if paths else []
    wave = proof.waves_of(found, tagger, windows, say) if found else proof.made_up(tagger, windows)
    sounds = (
        f"{len(found)} recordings" if found else "noise, tones and clicks made on the spot (give recordings for more)"
    )
    if file.suffix == ".onnx" and part == "whole":
        model = exporting.whole(tagger)
        told = proof.prove_whole(tagger, model, wave)
        return Member(onnxfile.described(model, tagger, part, told), ["waves to scores"], sounds, told)
    say("exporting the net")
    graphs, own = [exporting.body(tagger)], dict[str, Any]()
    names = ["the net"]
    if precision == "int8":
        from earmark.models.quantise import quantised

        say("choosing the ranges of int8")
        shown = proof.waves_of(audio.find(calibrate, say), tagger, windows, say)
        graph, own = quantised(graphs[0], tagger.stored()[0], proof.inputs_of(tagger, shown))
        graphs.append(graph)
        names.append("the net in int8")
    if file.suffix == ".safetensors":
        for count in exporting.sizes(tagger):
            say(f"exporting {count} overlapping windows at once")
            if (several := exporting.stretch(tagger, count)) is not None:
                graphs.append(several)
                names.append(f"{count} overlapping windows")
    say("comparing with torch")
    told = proof.prove(tagger, graphs, own, wave)
    tagger.graphs, tagger.quantised = tuple(proof.noted(graphs, told, sounds)), own
    whole = graphs[-1].whole(tagger.stored()[0]) if file.suffix == ".onnx" else b""
    return Member(onnxfile.described(whole, tagger, part, told) if whole else b"", names, sounds, told)
