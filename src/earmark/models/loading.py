"""From a file, or the name of a shipped one, to what scores recordings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from earmark.engines import sessions
from earmark.engines.sessions import Precision
from earmark.errors import EarmarkError, TaggerError, counted
from earmark.errors.kinds import checked
from earmark.models import boxed, devices, graphs, knownfiles, needs
from earmark.models import file as taggerfile
from earmark.models.anytagger import AnyTagger, Member
from earmark.models.boxed import Box
from earmark.models.facts import Facts
from earmark.models.file import ENSEMBLE, Weights, building
from earmark.models.graphtagger import GraphTagger, Running, threads
from earmark.registry import did_you_mean

if TYPE_CHECKING:
    from earmark.models.ensemble import Ensemble
    from earmark.recipe import Recipe
    from earmark.recipe.hearing import Known

IN_TORCH = ("float32", "bf16", "float16")  # what PyTorch computes in, where the device has it
ON_PROCESSOR = ("cpu", devices.AUTO)  # what engines other than PyTorch take


def shipped() -> dict[str, Path]:
    """The tagger files in the package, by name."""
    folder = Path(str(resources.files("earmark.models"))) / "taggers"
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


@checked
def find(name: str | Path) -> Path:
    """A tagger's file, by path or by the name of a shipped one. Raises TaggerError."""
    path, known = Path(name), shipped()
    # a folder of recordings may well have the name of a shipped tagger, a run's folder is not passed over
    if path.is_dir() and (str(name) not in known or (path / "tagger.safetensors").exists()):
        raise TaggerError(f"{path}: is a folder. Give the tagger file in it, such as {path / 'tagger.safetensors'}")
    if path.is_file():
        return path
    if str(name) not in known:
        raise TaggerError(
            f"{name}: no such file, and no shipped tagger of that name{did_you_mean(str(name), known)} "
            f"Shipped: {', '.join(known) or 'none'}"
        )
    return known[str(name)]


@checked
def load(
    name: str | Path, device: str = "cpu", *, engine: str = "auto", precision: str = "auto", cores: int | None = None
) -> AnyTagger:
    """A tagger or an ensemble by file or by the name of a shipped one, frozen: in evaluation mode, without gradients.

    Who wants to train it on takes its `trainable()`, a copy in PyTorch. An `earmark.Tagger`, which is a module of PyTorch itself, is what
    engine="torch" gives of a file with one net; what an engine runs is another class with the same questions, see `AnyTagger`.

    device: cpu; cuda or mps, which PyTorch alone knows; auto: a GPU where PyTorch runs it and has one. engine: torch, onnxruntime,
    openvino, or auto: the first engine that is installed and has the precision, of a file that carries a graph, else torch.
    precision: float32, int8, bf16, float16 (PyTorch on a GPU), or auto: float32. cores: of the processor, that one call of an
    engine may use; None: all that this process may. PyTorch has a setting of its own.

    Raises TaggerError: no such file; not a tagger; cut; altered; made by a newer version; a device, an engine or a precision
    that is not there.
    """
    if cores is not None and cores < 1:
        raise TaggerError(
            f"cores is {cores}: an engine takes at least 1. Leave it out for all that this process may use"
        )
    path = find(name)
    head, weights = taggerfile.read(path)
    _check_facts(head, path)
    with _fitting(path):
        taken = replace(choose(head, path, device, engine, precision), cores=cores)
        return _loaded(head, weights, taken, path)


def loaded(
    tagger: str | Path | Any, device: str = "cpu", *, engine: str = "auto", precision: str = "auto"
) -> AnyTagger:
    """A tagger that may be loaded already, and then stays as it is. Raises EarmarkError for what is no tagger; else as `load`."""
    if isinstance(tagger, str | Path):
        return load(tagger, device, engine=engine, precision=precision)
    if not all(hasattr(tagger, name) for name in ("members", "score_windows", "identity")):
        raise EarmarkError(
            f"a {type(tagger).__name__} is no tagger: give a tagger's file, the name of a shipped one, or what earmark.load gives; scores "
            "are judged from their files, .parquet or .csv"
        )
    given: AnyTagger = tagger
    return given


@dataclass(frozen=True)
class Described:
    """What a file tells of itself. head: as it is there; recipes: of each of its members, checked, as plain values."""

    path: Path
    head: dict[str, Any]
    facts: Facts
    recipes: tuple[dict[str, Any], ...]


@checked
def describe(name: str | Path) -> Described:
    """What a tagger's file tells, of one that `load` takes; without torch, and no session of an engine is opened.

    A file with graphs is loaded: of one of 12 MB that is 50 ms of the processor. Of one that torch alone runs, the checksum, the facts
    and the recipe are looked at, and the net is not built. Raises TaggerError as `load`.
    """
    path = find(name)
    head, weights = taggerfile.read(path)
    _check_facts(head, path)
    with _fitting(path):
        if sessions.installed() and _able(head):
            members = _loaded(head, weights, choose(head, path, "cpu", "auto", "auto"), path).members
            recipes = [cast(GraphTagger, member).heard for member in members]
        else:
            recipes = []
            for number, (told, own) in enumerate(_apart(head, weights)):
                graphs.read(told.get(graphs.KEY), str(path), own)
                with building(path):
                    net, tags = graphs.apart(own)[0], tuple(told["vocabulary"])
                    known_as = knownfiles.key(head["sha256"], number)
                    # what a plug-in makes is not made here, and the plug-in need not be there
                    elsewhere = needs.features(told, str(path))
                    recipes.append(_heard(told["recipe"], net, tags, f"in {path}", known_as, elsewhere)[0])
    return Described(path, head, Facts.read(head["facts"], str(path)), tuple(recipe.as_dict() for recipe in recipes))


def _check_facts(head: Mapping[str, Any], path: Path) -> None:
    """First, and with words of their own: what a file tells wrongly no other version of earmark mends."""
    for told in (head, *(head["members"] if head["format"] == ENSEMBLE else [])):
        Facts.read(told["facts"], str(path))


@contextmanager
def _fitting(path: Path) -> Iterator[None]:
    """While a tagger is put together: raises TaggerError for what its description and its weights do not give."""
    try:
        yield
    except (LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise TaggerError(f"{path}: the header and the weights do not fit together: {error}") from error


def _loaded(head: Mapping[str, Any], weights: Weights, taken: Taken, path: Path) -> AnyTagger:
    if head["format"] == ENSEMBLE:
        return _ensemble(head, weights, taken, path)
    return _member(head, weights, taken, path, knownfiles.key(head["sha256"]))


@dataclass(frozen=True)
class Taken:
    """engine: torch or one of `earmark.engines.sessions`. cores: that it may use, None for all."""

    engine: str
    precision: Precision
    device: str
    cores: int | None = None


def choose(head: Mapping[str, Any], path: Path, device: str, engine: str, precision: str) -> Taken:
    """Which engine runs a file, in which precision. Raises TaggerError where what is asked for is not there."""
    wanted = "float32" if precision == "auto" else precision
    members = _members(head)
    able = _able(head)
    torch_there = find_spec("torch") is not None
    box = any(boxed.is_box(member) for member in members)
    if box and (engine == "torch" or wanted == "int8"):
        raise TaggerError(f"{path}: {boxed.no_net('it')}")
    if box and not able:
        raise TaggerError(
            f"{path}: of its members one is the graph of an ONNX file, which engines run, and another has no graph, which torch "
            "runs. Write one with `earmark export MEMBER -o FILE.safetensors`, and put the ensemble together again"
        )
    if engine == "auto" and (device in ON_PROCESSOR or box) and able and sessions.installed():
        other = "torch" if torch_there and wanted in IN_TORCH and not box else sessions.installed()[0]
        engine = next((each for each in sessions.installed() if wanted in sessions.ABLE[each]), other)
    elif engine == "auto":
        engine = "torch"
        if not torch_there and not able:
            raise TaggerError(
                f"{path}: carries no graph, and torch is not installed: `pip install 'earmark[train]'` runs it as it is; "
                "`earmark export`, where torch is, writes a file that needs none"
            )
    if engine == "torch":
        if not torch_there:
            raise TaggerError(
                f"{path}: needs torch, which is not installed: `pip install 'earmark[train]'`"
                + ("" if sessions.installed() else f", or `pip install {sessions.ENGINES[0]}` to run its graph")
            )
        from earmark.models import reduced

        where = devices.taken(device)
        reduced.check(where, wanted)
        return Taken("torch", cast(Precision, wanted), where)
    sessions.check_engine(engine, wanted)
    if device not in ON_PROCESSOR:
        raise TaggerError(
            f"device {device!r}: {engine} runs on the processor here. Take --device cpu, or --engine torch"
        )
    if not able:
        raise TaggerError(
            f"{path}: carries no graph for {engine}. Write one with `earmark export {path} -o FILE.safetensors`, or take --engine torch"
        )
    return Taken(engine, cast(Precision, wanted), "cpu")


def _members(head: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a file tells of each of its taggers."""
    return list(head["members"]) if head.get("format") == ENSEMBLE else [head]


def _able(head: Mapping[str, Any]) -> bool:
    """Whether engines can run all of it."""
    return all(member.get(graphs.KEY) for member in _members(head))


def _apart(head: Mapping[str, Any], weights: Weights) -> list[tuple[Mapping[str, Any], Weights]]:
    """(what the file tells of it, its weights) of each of its taggers. Raises KeyError for weights of none."""
    if head["format"] != ENSEMBLE:
        return [(head, weights)]
    found: list[tuple[Mapping[str, Any], Weights]] = []
    for number, told in enumerate(head["members"]):
        prefix = f"member.{number}."
        found.append((told, {name.removeprefix(prefix): weights[name] for name in weights if name.startswith(prefix)}))
    if (left := len(weights) - sum(len(own) for _, own in found)) > 0:
        raise KeyError(f"{counted(left, 'weight belongs', 'weights belong')} to no member")
    return found


def _member(head: Mapping[str, Any], weights: Weights, taken: Taken, path: Path, known_as: str) -> Member:
    """One tagger, or one of an ensemble's. head: what the file tells of it; weights: its own. known_as: see `knownfiles`."""
    facts = Facts.read(head["facts"], str(path))
    net, own = graphs.apart(weights)
    held = graphs.read(head.get(graphs.KEY), str(path), weights)
    if taken.engine == "torch":
        from earmark.models.torched import torched

        return torched(head, net, taken.device, path, facts, held, own, taken.precision)
    vocabulary = tuple(head["vocabulary"])
    with building(path):
        recipe, identity = _heard(head["recipe"], net, vocabulary, f"in {path}", known_as)
        box = Box.read(recipe.net.arguments) if recipe.net.name == boxed.NET else None
    graphs.check_own(held, identity, str(path))
    running = Running(held, dict(weights), taken.engine, taken.precision, taken.cores or threads(), box)
    in_torch = _InTorch(head, weights, path, known_as)
    # of its net, which is not looked for: the graph is it
    more = {key: head[key] for key in ("plugins",) if key in head}
    with building(path):
        return GraphTagger(recipe, vocabulary, facts, running, torched=in_torch, more=more, identity=identity)


@dataclass(frozen=True, eq=False)
class _InTorch:
    """Gives a tagger that an engine runs in PyTorch; no function, so that it can be pickled with the tagger. See `_member`."""

    head: Mapping[str, Any]
    weights: Weights = field(repr=False)
    path: Path
    known_as: str

    def __call__(self) -> Any:
        taken = choose(self.head, self.path, "cpu", "torch", "auto")
        return _member(self.head, self.weights, taken, self.path, self.known_as)


def _heard(
    plain: Mapping[str, Any],
    net: Weights,
    vocabulary: tuple[str, ...],
    where: str,
    known_as: str,
    elsewhere: Collection[str] = (),
) -> tuple[Recipe | Known, str]:
    """(what a tagger hears by, its identity): the recipe, checked, or what was found of it before. Raises RecipeError.

    elsewhere: features that are not looked up.
    """
    if (known := knownfiles.recall(known_as, plain, where)) is not None:
        return known
    from earmark.recipe import parse_hearing

    recipe = parse_hearing(plain, where, elsewhere)
    identity = taggerfile.identity(net, recipe, vocabulary)
    knownfiles.remember(known_as, plain, recipe, identity)
    return recipe, identity


def _ensemble(head: Mapping[str, Any], weights: Weights, taken: Taken, path: Path) -> Ensemble:
    from earmark.models.ensemble import Ensemble

    members = [
        _member(told, own, taken, path, knownfiles.key(head["sha256"], number))
        for number, (told, own) in enumerate(_apart(head, weights))
    ]
    shares = [float(each) for each in head["weights"]]
    with building(path):
        temperature, facts = float(head.get("temperature", 1.0)), Facts.read(head["facts"], str(path))
        ensemble = Ensemble(members, head["rule"], shares, temperature=temperature, facts=facts)
        ensemble.facts = facts.measured(ensemble.identity)
        return ensemble
