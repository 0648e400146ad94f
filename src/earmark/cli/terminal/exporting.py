"""From a tagger's file to a file with its graphs, and to what is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.cli.terminal import needing
from earmark.errors import EarmarkError, agreed, counted

if TYPE_CHECKING:
    from earmark.evaluation.exported import Judged
    from earmark.models.anytagger import AnyTagger
    from earmark.models.graphs import Graph
    from earmark.models.lengths import Lengths
    from earmark.models.proof import Proof
    from earmark.models.tagger import Tagger

ENDINGS = (".safetensors", ".onnx")


@dataclass(frozen=True)
class Wanted:
    """How a tagger is to be exported. out: the file; part, precision: of what is in it; calibrate: recordings that show int8's
    ranges; windows: as many are compared.
    """

    out: Path
    part: str = "whole"
    precision: str = "float32"
    calibrate: Sequence[Path] = ()
    windows: int = 96

    @property
    def onnx(self) -> bool:
        return self.out.suffix == ".onnx"

    @property
    def whole(self) -> bool:
        return self.onnx and self.part == "whole"

    def check(self) -> None:
        """Raises EarmarkError for what does not go together."""
        if self.out.suffix not in ENDINGS:
            raise EarmarkError(
                f"--out {self.out}: ends in {self.out.suffix or 'nothing'}: give FILE.safetensors or FILE.onnx"
            )
        if not self.onnx:
            needing.refuse({"part"}, "ONNX files, and a tagger's file holds all of it", "write FILE.onnx")
        if self.precision == "int8" and not self.calibrate:
            raise EarmarkError(
                "--precision int8 needs --calibrate RECORDINGS: the ranges of what goes through the net, best those that it "
                "learnt from, and none that it is to be judged on"
            )
        if self.precision != "int8" and self.calibrate:
            raise EarmarkError(
                f"--calibrate {self.calibrate[0]}: shows the ranges of int8, and --precision {self.precision} was asked for: say "
                "--precision int8, or leave --calibrate out"
            )
        if self.precision == "int8" and self.whole:
            raise EarmarkError("--precision int8 is of the net alone: add --part body, or write FILE.safetensors")


@dataclass(frozen=True)
class Clips:
    """Labelled clips on which what was exported is judged beside PyTorch; as `earmark evaluate` takes them."""

    data: Path
    folds: Sequence[str] = ()
    dataset: str | None = None
    seen: bool = False


@dataclass(frozen=True)
class Exported:
    """What was written, and how its scores differ from PyTorch's.

    lengths: of windows, that an ONNX file takes. judged: its figures on labelled clips, where some were given. unread: why
    recordings could not be read, by path.
    """

    file: Path
    size: int
    graphs: list[str]
    sounds: str
    proofs: list[Proof]
    lengths: Lengths | None
    judged: list[Judged]
    unread: dict[Path, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": str(self.file),
            "bytes": self.size,
            "graphs": self.graphs,
            "compared_on": self.sounds,
            "compared": [proof.as_dict() for proof in self.proofs],
            "judged": [each.as_dict() for each in self.judged],
            "unread": {str(path): why for path, why in self.unread.items()},
        } | ({"lengths": self.lengths.as_dict()} if self.lengths else {})

    def text(self) -> str:
        lines = [f"{self.file}: {counted(self.size, 'byte')}, {', '.join(self.graphs)}", f"compared on {self.sounds}:"]
        for proof in self.proofs:
            lines.append(
                f"  {proof.engine}: scores differ by {proof.max_abs_difference:.1e} at most; "
                f"{proof.flips:,} of {counted(proof.windows, 'window')} {agreed(proof.flips, 'has', 'have')} another first tag"
                + (f": {proof.verdict}" if proof.verdict else "")
            )
        lines += [self.lengths.text()] if self.lengths else []
        return "\n".join(
            lines + ["judged on labelled clips:"] * bool(self.judged) + [f"  {each.text()}" for each in self.judged]
        )


def export(name: str, paths: Sequence[Path], wanted: Wanted, clips: Clips | None = None) -> Exported:
    """Writes the file, once it is proved. Raises EarmarkError for options that do not go together, TaggerError."""
    from earmark.models import export as exporting
    from earmark.models import loading

    wanted.check()
    exporting.check_installed()
    loaded = loading.load(name, engine="torch")
    if wanted.onnx and len(loaded.members) > 1:
        raise EarmarkError(
            f"{name} is an ensemble of {len(loaded.members)}, of which each hears its own windows: an ONNX file holds one "
            "net. Give the members' files, or write FILE.safetensors, which holds all"
        )
    labelled = [] if clips is None else _heard(loaded, clips, wanted)
    parts = [_part(member.alone, paths or labelled, wanted) for member in loaded.members]
    judged = [] if clips is None else _judged(loaded, parts, clips)
    for part in parts:
        part.note(judged)
    if wanted.onnx:
        from earmark.files import write_bytes

        wanted.out.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(wanted.out, parts[0].described(wanted.part, judged))
    else:
        (loaded if len(parts) > 1 else loaded.alone).save(wanted.out)
    proofs = [proof for part in parts for proof in part.proofs]
    unread = {path: why for part in parts for path, why in part.unread.items()}
    return Exported(
        wanted.out, wanted.out.stat().st_size, parts[0].names, parts[0].sounds, proofs, parts[0].lengths, judged, unread
    )


def leave(told: Exported) -> None:
    """Says how many recordings could not be read, if any, and leaves with status 1."""
    if told.unread:
        import typer

        from earmark.cli.terminal.console import say

        count = len(told.unread)
        say(f"{counted(count, 'recording')} of those that it was to hear could not be read; the file is written")
        raise typer.Exit(1)


def place(name: str, out: Path | None) -> Path:
    """Where it is written: the tagger's own file, where no other is named.

    Raises EarmarkError for that of a shipped one, and first where torch is not installed: what follows imports it, which would
    name the extra for training.
    """
    if find_spec("torch") is None:
        raise EarmarkError("export needs torch and what writes graphs: `pip install 'earmark[export]'`")
    from earmark.models import loading

    if out is None and not Path(name).is_file() and name in loading.shipped():
        raise EarmarkError(f"{name} is a shipped tagger and stays as it is: name a new file with --out")
    return out or loading.find(name)


def add_graphs(tagger: Tagger, file: Path, windows: int = 24) -> list[Proof]:
    """Put graphs that are proved into a tagger that is to become a `.safetensors` file."""
    part = _part(tagger, [], Wanted(file, windows=windows))
    part.note([])
    return part.proofs


@dataclass
class Part:
    """One tagger's net, exported and proved. names: of its graphs. own: tensors that only they have.

    model, lengths: of an ONNX file. unread: why recordings could not be read, by path.
    """

    tagger: Tagger
    names: list[str]
    sounds: str
    graphs: list[Graph] = field(default_factory=list)
    own: dict[str, Any] = field(default_factory=dict)
    model: bytes = b""
    lengths: Lengths | None = None
    proofs: list[Proof] = field(default_factory=list)
    unread: dict[Path, str] = field(default_factory=dict)

    def ways(self) -> dict[str, AnyTagger]:
        """What was exported, ready to score clips, by engine and precision."""
        from earmark.engines import sessions
        from earmark.models.graphtagger import GraphTagger, Running, threads
        from earmark.models.wholegraph import WholeGraph

        if not self.graphs:
            return {f"{sessions.REFERENCE} float32": WholeGraph(self.tagger, self.model)}
        weights = self.tagger.stored()[0] | self.own
        ways: dict[str, AnyTagger] = {}
        for precision in dict.fromkeys(graph.precision for graph in self.graphs):
            running = Running(self.graphs, weights, sessions.REFERENCE, precision, threads())
            ways[f"{sessions.REFERENCE} {precision}"] = GraphTagger(
                self.tagger.recipe, self.tagger.vocabulary, self.tagger.facts, running
            )
        return ways

    def note(self, judged: Sequence[Judged]) -> None:
        """What was found of the graphs goes into the tagger, and with it into its file."""
        from earmark.models import proof

        if self.graphs:
            noted = proof.noted(self.graphs, self.proofs, self.sounds, {each.way: each.text() for each in judged})
            self.tagger.graphs, self.tagger.quantised = tuple(noted), self.own

    def described(self, part: str, judged: Sequence[Judged]) -> bytes:
        """The ONNX file."""
        from earmark.models import onnxfile

        assert self.lengths is not None
        model = self.model or self.graphs[-1].whole(self.tagger.stored()[0])
        return onnxfile.described(
            model, self.tagger, part, self.proofs, self.lengths, [each.as_dict() for each in judged]
        )


def _part(tagger: Tagger, paths: Sequence[Path], wanted: Wanted) -> Part:
    from earmark import audio
    from earmark.cli.terminal.console import say
    from earmark.models import lengths, proof

    found = audio.find(paths, say) if paths else []
    heard = proof.waves_of(found, tagger, wanted.windows, say) if found else None
    wave = heard.wave if heard else proof.made_up(tagger, wanted.windows)
    sounds = heard.text() if heard else "noise, tones and clicks made on the spot (give recordings for more)"
    unread = dict(heard.unread) if heard else {}
    if wanted.whole:
        say("exporting from waves to scores")
        model, takes = lengths.whole(tagger)
        say("comparing with torch")
        proofs = proof.prove_whole(tagger, model, wave)
        return Part(tagger, ["waves to scores"], sounds, model=model, lengths=takes, proofs=proofs, unread=unread)
    part = _graphs(tagger, sounds, wanted)
    part.unread |= unread
    say("comparing with torch")
    part.proofs = proof.prove(tagger, part.graphs, part.own, wave)
    return part


def _graphs(tagger: Tagger, sounds: str, wanted: Wanted) -> Part:
    """The net's graphs: of windows one by one, in int8 where that is wanted, and of overlapping windows for a tagger's file."""
    from earmark import audio
    from earmark.cli.terminal.console import say
    from earmark.models import export as exporting
    from earmark.models import lengths, proof, trust

    say("exporting the net")
    body, takes = lengths.body(tagger) if wanted.onnx else (exporting.body(tagger), None)
    part = Part(tagger, ["the net"], sounds, [body], lengths=takes)
    if wanted.precision == "int8":
        from earmark.models.quantise import quantised

        say("choosing the ranges of int8")
        shown = proof.waves_of(audio.find(wanted.calibrate, say), tagger, wanted.windows, say, sounding=True)
        part.unread |= shown.unread
        graph, part.own = quantised(part.graphs[0], tagger.stored()[0], proof.inputs_of(tagger, shown.wave))
        part.graphs.append(graph)
        part.names.append("the net in int8")
        if takes is not None and takes.dynamic:
            run = lengths.of_body(tagger, graph.whole(tagger.stored()[0] | part.own))
            part.lengths = lengths.compare(tagger, run, trust.ALLOWED["int8"])
    for count in [] if wanted.onnx else exporting.sizes(tagger):
        say(f"exporting {counted(count, 'overlapping window')} at once")
        if (several := exporting.stretch(tagger, count)) is not None:
            part.graphs.append(several)
            part.names.append(counted(count, "overlapping window"))
    return part


def _heard(tagger: AnyTagger, clips: Clips, wanted: Wanted) -> list[Path]:
    """The recordings of the clips on which is judged. Raises EarmarkError for clips that the tagger learnt from, before the work."""
    from earmark import audio
    from earmark.cli.terminal.console import say
    from earmark.evaluation import heldout
    from earmark.files.places import led_to

    request = heldout.Request(clips.data, clips.folds, clips.dataset, clips.seen)
    heard = list(dict.fromkeys(heldout.to_judge(tagger, request).clips.paths()))
    shown = {led_to(path) for path in audio.find(wanted.calibrate, say)} if wanted.calibrate else set()
    if both := len(shown & {led_to(path) for path in heard}):
        say(
            f"int8's ranges are taken of {both:,} of the recordings that it is judged on: its figures may be a little too good"
        )
    return heard


def _judged(tagger: AnyTagger, parts: Sequence[Part], clips: Clips) -> list[Judged]:
    from earmark.cli.terminal.bar import Bar
    from earmark.evaluation.exported import judge
    from earmark.models.ensemble import Ensemble

    members = [part.ways() for part in parts]
    ways: Mapping[str, AnyTagger] = members[0]
    if isinstance(tagger, Ensemble):
        ways = {way: tagger.of([each[way] for each in members], tagger.facts) for way in members[0]}
    return judge(tagger, ways, clips.data, folds=clips.folds, dataset=clips.dataset, seen=clips.seen, progress=Bar())
