"""Heads on the embeddings of a tagger, as a terminal sees them: options, a bar, one tagger or one for each fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from earmark.cli.terminal.needing import Needs
from earmark.cli.terminal.values import given
from earmark.cli.terminal.written import OwnFolder
from earmark.errors import EarmarkError, counted

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest
    from earmark.recipe import Recipe
    from earmark.train.heads import background
    from earmark.train.heads.curve import Curve

OF_HEADS = Needs("--from", of="a head on a tagger")
OF_RECORDINGS = Needs("--recordings", of="unlabelled recordings that a head learns from")
From = Annotated[
    str | None, typer.Option("--from", help="A tagger whose embeddings are learnt from, in place of a recipe.")
]
Layout = Annotated[str | None, typer.Option(help="With --from: the folder's layout; default: a table's."), OF_HEADS]
OfTask = Annotated[
    Literal["one", "many"] | None,
    typer.Option(help="With --from: tags a clip; default: one where each clip has one, many with --recordings."),
    OF_HEADS,
]
Kind = Annotated[
    Literal["prototypes", "logistic", "hidden"] | None,
    typer.Option(help="With --from: the head; default: by the number of clips, and by inner folds of them."),
    OF_HEADS,
]
Unlabelled = Annotated[
    list[Path] | None,
    typer.Option(help="With --from: unlabelled recordings, or folders; windows of them are weak examples of no tag."),
    OF_HEADS,
]
WeakWeight = Annotated[float, typer.Option(help="What such a window counts, where one of a clip has 1."), OF_RECORDINGS]
WeakWindows = Annotated[int, typer.Option(help="Of each such recording, drawn by chance."), OF_RECORDINGS]
Copies = Annotated[
    int,
    typer.Option(
        help="Mix each clip so often into such recordings, to hear it as it sounds there; 0: learn from it as it is."
    ),
    OF_RECORDINGS,
]
Recall = Annotated[
    float,
    typer.Option(help="Thresholds for events: that which so many of held-out clips reach, mixed into the recordings."),
    OF_RECORDINGS,
]
Embeddings = Annotated[
    Path | None,
    typer.Option(help="With --from: a folder for the embeddings; default: in the run folder."),
    OwnFolder(),
    OF_HEADS,
]
Unfreeze = Annotated[
    bool,
    typer.Option(
        "--unfreeze",
        help="With --from: train the net itself on after its head, at a lower rate; --set train.… says how.",
    ),
    OF_HEADS,
]
Given = TypeVar("Given")


@dataclass(frozen=True)
class Question:
    """What the user asked for. clips: a data set's folder, a manifest or a table."""

    base: str
    clips: Path
    out: Path
    dataset: str | None = None
    task: Literal["one", "many"] | None = None
    head: Literal["prototypes", "logistic", "hidden"] | None = None
    embeddings: Path | None = None
    weak: background.Asked | None = None
    settings: Sequence[str] = ()
    fold: Sequence[str] | None = None
    within: tuple[int, float] = (8, 0.9)
    unfreeze: bool = False
    device: str = "cpu"
    scratch: str | None = None


def needed(value: Given | None, what: str) -> Given:
    if value is None:
        raise EarmarkError(f"earmark train: give {what}")
    return value


def clips_of(first: str | None, data: Path | None) -> Path:
    """The clips, given as the argument or with --data."""
    if first is not None and data is not None:
        raise EarmarkError(f"{first} and --data {data}: with --from there is no recipe, only clips: give them once")
    return needed(data if first is None else Path(first), "the clips: `earmark train own.csv --from TAGGER --out RUN`")


def refuse_with_base(given: Mapping[str, Any]) -> None:
    """Raises EarmarkError for an option that a head has no use for."""
    for option, value in given.items():
        if value:
            raise EarmarkError(f"{option} is for a recipe's training: leave it out, or leave --from out")


def weak(recordings: Sequence[Path] | None, weight: float, windows: int) -> background.Asked | None:
    from earmark.train.heads import background

    return background.Asked(recordings, weight, windows) if recordings else None


def train(question: Question, told: dict[str, Any]) -> None:
    """Train a head, or one for each fold, and say what came of it."""
    from earmark.cli.terminal.console import say
    from earmark.train.heads import run, within

    copies, recall = question.within
    if copies == 0 and "--recall" in given.values():
        raise EarmarkError(
            f"--recall {recall:g} is of clips that are mixed into the recordings, and with --copies 0 none are: leave one of them out"
        )
    base, clips, plan = _asked(question, told["device"])
    asked = run.Asked(question.head, question.embeddings, question.weak, within.Asked(copies, recall=recall), plan.seed)
    how = run.How(told["workers"], None, told["strict"], told["salvage"], told["resume"])
    if question.fold is None:
        _of_one(question)[0](question.out, plan, how.resume)
        made = _one(base, question, plan, clips, question.out, asked, how)
        say(str(made))
        say(f"it runs with PyTorch, and without it once `earmark export {made}` has put a graph into the file")
        return
    asked = replace(asked, embeddings=asked.embeddings or question.out / run.EMBEDDINGS)
    _folds(base, question, plan, clips, asked, how)


def _one(base: Any, question: Question, plan: Recipe, clips: Manifest, out: Path, asked: Any, how: Any) -> Path:
    from earmark.cli.terminal.bar import Bar
    from earmark.train.heads import run, unfreezing

    source = Path(question.base).name
    if not question.unfreeze:
        return run.train(base, source, plan, clips, out, asked, how, Bar())
    from earmark.cli.terminal.console import say
    from earmark.cli.terminal.epochlines import EpochLines

    return unfreezing.train(
        base, source, plan, clips, out, asked, how, Bar(), question.settings, question.device, EpochLines(say),
        question.out if question.fold is not None else None,
    )  # fmt: skip


def _of_one(question: Question) -> tuple[Callable[[Path, Recipe, bool], object], str]:
    """What checks the place of a run, and the folder in it where its recipe lies."""
    from earmark.train import places
    from earmark.train.heads import unfreezing

    return (unfreezing.check_place, unfreezing.HEAD) if question.unfreeze else (places.check_run, "")


def _folds(base: Any, question: Question, plan: Recipe, clips: Manifest, asked: Any, how: Any) -> None:
    from earmark.cli.terminal.console import print_table, say
    from earmark.models.facts import Facts
    from earmark.models.file import read_head
    from earmark.train import beforehand, places
    from earmark.train.began import Began
    from earmark.train.folds import Turns
    from earmark.train.heads import run

    turns = Turns.of(plan, clips, question.fold or [], say)
    check, inner = _of_one(question)
    begun = Began(clips.vocabulary, how.salvage)
    places.check_folds(question.out, turns.all, turns.wanted, begun, how.resume, check, inner)
    for name in turns.all:  # those of folds that are there already answer beside those of the others
        run.check_question(question.out / f"fold-{name}" / inner, asked, base.alone.identity())
    own = {name: turns.all[name] for name in turns.wanted}
    beforehand.check_turns(own, clips, resume=how.resume, workers=how.workers)
    rows = []
    for name in turns.wanted:
        path = _one(base, question, turns.all[name], clips, question.out / f"fold-{name}", asked, how)
        head = Facts.read(read_head(path)["facts"], str(path)).head
        assert head is not None
        reached = head.reached() or {}
        figures = ["–" if reached.get(key) is None else f"{reached[key]:.4f}" for key in ("accuracy", "loss")]
        rows.append((name, *(str(head.setting[key]) for key in ("kind", "strength", "combine", "weigh")), *figures))
    print_table(["fold", "head", "strength", "windows by", "weighed by", "inner accuracy", "inner loss"], rows)
    say(
        f"{question.out}: {counted(len(rows), 'tagger')}; `earmark evaluate {question.out}` reports each on the fold that it "
        "was not trained on"
    )


def sizes(told: str) -> list[int | None]:
    """Of "1,2,all". Raises EarmarkError."""
    try:
        return [None if each.strip() == "all" else int(each) for each in told.split(",")]
    except ValueError as error:
        raise EarmarkError(
            f"--clips {told}: give numbers of clips a tag joined by commas, such as 1,4,16,all"
        ) from error


def curve(
    question: Question, wanted: Sequence[int | None], draws: int, resamples: int, workers: int, device: str
) -> list[Curve]:
    """The learning curve, and that of the recipe from scratch where one is asked for, written into the folder."""
    from earmark import recipe as recipes
    from earmark.cli.terminal.bar import Bar
    from earmark.cli.terminal.console import say
    from earmark.report import learning
    from earmark.train.heads import curve as curves
    from earmark.train.heads import run, scratch
    from earmark.train.heads.store import Store

    base, clips, plan = _asked(question, device)
    others = [] if question.scratch is None else [recipes.load(question.scratch, _of_scratch(question.settings), say)]
    store = Store(question.embeddings or question.out / run.EMBEDDINGS, base, workers=workers)
    how = curves.Plan(wanted, draws, resamples, plan.seed)
    found = [
        curves.curve(
            base, Path(question.base).name, plan, clips, store, how, run.Asked(question.head, seed=plan.seed), Bar()
        )
    ]
    for other in others:
        found.append(scratch.curve(other, plan, clips, question.out, how, scratch.How(workers, device), Bar()))
    learning.write([each.as_dict() for each in found], question.out)
    return found


def _of_scratch(settings: Sequence[str]) -> list[str]:
    """Those that are not of the clips, which the heads' plan takes."""
    from earmark.train.heads import run

    return [each for each in settings if each not in run.of_head(settings)]


def _asked(question: Question, device: str) -> tuple[Any, Manifest, Recipe]:
    """The base, the clips, and the plan for a head."""
    from earmark.cli.terminal.console import say
    from earmark.data.datasets import open_data
    from earmark.train.heads import run, unfreezing

    base = run.load_base(question.base, device)
    layout = question.dataset or ("table" if question.clips.is_file() else None)
    clips = open_data(question.clips, layout, say=say)
    plan = run.plan(
        base, clips, Path(question.base).stem, dataset=question.dataset, task=question.task, unlabelled=question.weak is not None,
        settings=run.of_head(question.settings) if question.unfreeze or question.scratch else question.settings,
        validation=unfreezing.VALIDATION if question.unfreeze else None,
    )  # fmt: skip
    return base, clips, plan
