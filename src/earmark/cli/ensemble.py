"""`earmark ensemble`: score files → one, or taggers → one tagger."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from earmark.ensemble import Metric, Search
    from earmark.manifest import Manifest
    from earmark.scores import Scores

SCORES = (".parquet", ".csv")
NEAR_ONE = 1e-3  # how far a clip's scores may be from summing to one where each clip has one tag


def ensemble(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(help="Score files; or taggers: files, names of shipped ones, run folders (of folds, too)."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The score file or tagger file to write.")] = None,
    rule: Annotated[Literal["arithmetic", "geometric", "rank"], typer.Option(help="The mean of what.")] = "arithmetic",
    weights: Annotated[str | None, typer.Option(help="One a member, such as 3:3:2; default: all the same.")] = None,
    over: Annotated[
        Literal["clips", "tags"] | None,
        typer.Option(help="What --rule rank ranks. Default: clips within each tag; of taggers: tags within each clip."),
    ] = None,
    only: Annotated[
        Literal["same", "common"], typer.Option(help="Score files must have the same clips, or common ones are taken.")
    ] = "same",
    task: Annotated[
        Literal["one", "many"] | None, typer.Option(help="Of score files; default: one where they sum to one.")
    ] = None,
    epochs: Annotated[
        list[Path] | None, typer.Option(help="A run (or its epochs/) with train.keep=every: each epoch is a member.")
    ] = None,
    mean_weights: Annotated[
        bool, typer.Option("--mean-weights", help="One net with the mean of the taggers' weights.")
    ] = False,
    search: Annotated[bool, typer.Option("--search", help="Search weights on out-of-fold score files.")] = False,
    cross: Annotated[
        bool, typer.Option("--cross", help="With --search: combine each fold with the weights that the others chose.")
    ] = False,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Who answers like whom; with --data, what each member adds.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            help="A manifest, or the data set's folder: the clips' tags; with --mean-weights the clips that the taggers "
            "learnt from, on which running statistics are measured anew."
        ),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="The layout of --data where it is a folder.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="For --search and --agreement. Default: accuracy; in task many: map.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Of --search.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="All that is said, as JSON on stdout.")] = False,
) -> None:
    """Combine score files into one, or taggers into one tagger that `tag`, `evaluate` and `show` take like any other."""
    from earmark.cli.console import say
    from earmark.errors import EarmarkError

    if out is None and not (search or agreement):
        raise EarmarkError("say where the ensemble goes with -o FILE (or ask for --agreement or --search alone)")
    if search and weights is not None:
        raise EarmarkError("--search finds the weights: leave out --weights, or leave out --search")
    if (search and data is None) or (data is not None and not (search or agreement or mean_weights)):
        raise EarmarkError(
            "--search needs the clips' tags with --data, and --data is for --search, --agreement and --mean-weights"
        )
    if cross and not search:
        raise EarmarkError("--cross says how --search is done: give both")
    files = _files(inputs or [], epochs or [])
    _check_out(out, files)
    told: dict[str, Any] = {"members": [str(file) for file in files]}
    shares = _weights(weights)
    if files[0].suffix in SCORES:
        if mean_weights:
            raise EarmarkError("--mean-weights is of taggers; these are score files")
        asked = _Asked(rule, over or "clips", only, task, metric, rounds, data, dataset, search, cross, agreement)
        told |= _of_scores(files, out, shares, asked, tables=not as_json)
    else:
        wrong = {"--search": search, "--agreement": agreement, "--only common": only == "common", "--task": task}
        if unfit := [name for name, wanted in wrong.items() if wanted]:
            raise EarmarkError(f"{unfit[0]} is for score files, such as `earmark evaluate` writes for each tagger")
        if over == "clips":
            raise EarmarkError("--over clips: a tagger hears one recording at a time, so it can rank tags only")
        if mean_weights and rule != "arithmetic":
            raise EarmarkError(f"--rule {rule} is of scores: weights are averaged arithmetically")
        assert out is not None
        clips = None if data is None else (data, dataset)
        told |= _of_taggers(files, out, rule, shares, mean_weights, clips)
    if as_json:
        print(json.dumps(told, indent=1, ensure_ascii=False))
    if out is not None:
        say(f"{out}: {told['summary']}")


@dataclass(frozen=True)
class _Asked:
    """What the user asked of score files."""

    rule: Literal["arithmetic", "geometric", "rank"]
    over: Literal["clips", "tags"]
    only: Literal["same", "common"]
    task: Literal["one", "many"] | None
    metric: str | None
    rounds: int
    data: Path | None
    dataset: str | None
    search: bool
    cross: bool
    agreement: bool


def _of_scores(
    files: list[Path], out: Path | None, weights: Sequence[float] | None, asked: _Asked, tables: bool
) -> dict[str, Any]:
    """Search, compare and combine score files, whatever of it was asked for."""
    from earmark import ensemble as ensembles
    from earmark.cli.console import say
    from earmark.scores import Scores
    from earmark.splits import facts

    members, names = [Scores.load(file) for file in files], _names(files)
    task = asked.task or _task(members)
    how: dict[str, Any] = {"over": asked.over, "task": task, "names": names}
    same = ensembles.align(members, asked.only, names)
    told: dict[str, Any] = {"task": task}
    clips = None if asked.data is None else _clips(same[0], asked.data, asked.dataset)
    truth = None if clips is None else clips.truth(same[0].tags)
    metric, function = _metric(asked.metric, task)
    whole = None
    if asked.search and clips is not None and truth is not None:
        found = ensembles.search_weights(same, truth, function, asked.rule, rounds=asked.rounds, **how)
        weights = found.counts
        told["search"] = {"metric": metric, **found.as_dict()}
        if tables:
            _show_search(found, names, metric)
        say(ensembles.OPTIMISTIC)
        if asked.cross:
            crossed = ensembles.search_across(
                same, truth, clips.folds, function, asked.rule, rounds=asked.rounds, **how
            )
            whole = crossed.scores
            told["cross"] = {"metric": metric, "value": crossed.value, "counts": crossed.counts}
            if tables:
                print(f"each fold with the weights that the others chose: {metric} {crossed.value:.4f}")
    if asked.agreement:
        measured = None if truth is None else function
        table = ensembles.agreement(same, truth, measured, asked.rule, weights, metric_name=metric, **how)
        told["agreement"] = table.as_dict()
        if tables:
            print(table.text())
    if out is not None:
        if whole is None:
            whole = ensembles.combine(members, asked.rule, weights, only=asked.only, **how)
        if asked.search and clips is not None:
            whole.facts["ensemble"]["weights chosen"] = {"by": metric, "across folds": asked.cross, **facts(clips)}
        _save(whole, out)
        told["ensemble"] = {key: value for key, value in whole.facts["ensemble"].items() if key != "members"}
        shares = [] if asked.cross else whole.facts["ensemble"]["weights"]
        told["summary"] = f"{len(whole)} rows, {len(whole.tags)} tags; {_summary(asked.rule, shares, names, '')}"
        if left := len(members[0]) - len(whole):
            say(f"{left} of the {len(members[0])} rows of {names[0]} have no scores of all members and are left out")
    return told


def _of_taggers(
    files: list[Path],
    out: Path,
    rule: Literal["arithmetic", "geometric", "rank"],
    weights: Any,
    mean_weights: bool,
    data: tuple[Path, str | None] | None,
) -> dict[str, Any]:
    """One file with all taggers, or one tagger in the middle of them."""
    from earmark import soup
    from earmark import tagger as taggers
    from earmark.cli.console import say
    from earmark.committee import Apart, Committee

    members, names = [taggers.load(file) for file in files], _names(files)
    made: Any = soup.average(members, weights) if mean_weights else Committee(members, rule, weights)
    if data is not None:
        _renew(made, *data)
    _save(made, out)
    shares = made.facts["soup"]["weights"] if mean_weights else made.weights.tolist()
    if mean_weights:
        if data is None:
            say("running statistics are averaged like weights; with --data they are measured anew")
        say("nets that were not trained in one run have no useful mean of weights")
    elif isinstance(made.windows, Apart):
        say("the members hear different windows: the ensemble scores whole recordings, not window by window")
    what = "weights" if mean_weights else ""
    told = {"rule": rule, "weights": shares, "tagger": made.identity(), "mean weights": mean_weights}
    return told | {"summary": f"{len(made.vocabulary)} tags; {_summary(rule, shares, names, what)}"}


def _renew(made: Any, data: Path, dataset: str | None) -> None:
    """Measure the running statistics on the windows of the clips that the members learnt from."""
    from earmark import soup, splits
    from earmark.cli import judging
    from earmark.cli.console import say
    from earmark.errors import EarmarkError
    from earmark.loader import Waves, validation_batches

    asked = made.recipe.data
    parts = splits.divide(
        judging.clips(made, data, dataset or asked.dataset), asked.test, asked.validation, asked.train,
        seed=made.recipe.seed, bear_shared_groups=True,
    )  # fmt: skip
    told = made.facts.get("split", {}).get("train", {})
    if splits.facts(parts.train)["sha256"] != told.get("sha256"):
        folds = ", ".join(told.get("folds", [])) or "none that the files tell"
        raise EarmarkError(
            f"{data}: running statistics are measured on the clips that the taggers learnt from ({told.get('clips', 0)}, "
            f"folds {folds}), and these are others. Give the data set of their training, or leave --data out"
        )
    waves = Waves(parts.train, made.sample_rate)
    for row, error in waves.failures:
        say(f"left out: {parts.train.ids[row]}: {error}")
    # a window alone has no variance to measure
    soup.renew(made, (cut for cut, _ in validation_batches(waves, made.windows, 32) if len(cut) > 1))
    say(f"running statistics measured anew on {len(waves.readable)} clips")


def _files(inputs: Sequence[str], epochs: Sequence[Path]) -> list[Path]:
    """The members' files: score files, or taggers by file, shipped name, run folder or folder of epochs."""
    from earmark import tagger as taggers
    from earmark.errors import EarmarkError
    from earmark.manifest import natural

    def within(folder: Path, pattern: str) -> list[Path]:
        return sorted(folder.glob(pattern), key=lambda path: natural(str(path)))

    found: list[Path] = []
    for name in inputs:
        path = Path(name)
        if path.suffix in SCORES:
            found.append(path)
        elif not path.is_dir():
            found.append(taggers.find(name))
        elif inside := within(path, "fold-*/tagger.safetensors") or within(path, "tagger.safetensors"):
            found += inside
        else:
            more = f"Its epochs are members with --epochs {name}" if within(path, "*.safetensors") else "Give the files"
            raise EarmarkError(f"{name}: is no run folder: it has no tagger.safetensors, and none in fold-*. {more}")
    for folder in epochs:
        inside = within(folder / "epochs", "*.safetensors") or within(folder, "[0-9]*.safetensors")
        if not inside:
            raise EarmarkError(f"{folder}: has no epochs (001.safetensors …): train with --set train.keep=every")
        found += inside
    if len(found) < 2:
        raise EarmarkError(
            f"an ensemble needs two members at least, and this has {len(found)}: give score files or taggers"
        )
    kinds = {path.suffix in SCORES for path in found}
    if len(kinds) > 1:
        raise EarmarkError("give either score files or taggers: scores of some clips are no tagger of new ones")
    return found


def _check_out(out: Path | None, files: list[Path]) -> None:
    from earmark.errors import EarmarkError

    if out is None:
        return
    known = SCORES if files[0].suffix in SCORES else (".safetensors",)
    if out.suffix not in known:
        what = "of scores" if known == SCORES else "of taggers"
        raise EarmarkError(
            f"{out}: an ensemble {what} is written as {' or '.join(known)}, not {out.suffix or 'without ending'}"
        )
    if out.resolve() in {file.resolve() for file in files}:
        raise EarmarkError(f"{out}: is one of the members: write the ensemble to another file")


def _save(made: Any, out: Path) -> None:
    from earmark.errors import EarmarkError

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        made.save(out)
    except OSError as error:
        why = error.strerror or str(error)
        raise EarmarkError(f"{out}: cannot be written ({why}). Take another -o, or make room for it") from error


def _weights(text: str | None) -> list[float] | None:
    from earmark.errors import EarmarkError

    if text is None:
        return None
    try:
        return [float(part) for part in text.replace(",", ":").split(":")]
    except ValueError:
        raise EarmarkError(
            f"--weights {text}: are numbers with colons between them, one a member, such as 3:3:2"
        ) from None


def _task(members: Sequence[Scores]) -> Literal["one", "many"]:
    """One tag a clip where all members' scores of each clip sum to one."""
    import numpy as np

    from earmark.cli.console import say

    one = all(bool((np.abs(member.values.sum(1) - 1) <= NEAR_ONE).all()) for member in members)
    say(
        f"task {'one' if one else 'many'}: the scores of each clip {'' if one else 'do not '}sum to one (--task says otherwise)"
    )
    return "one" if one else "many"


def _clips(scores: Scores, data: Path, dataset: str | None) -> Manifest:
    """The clips that the scores are of, row by row."""
    import numpy as np

    from earmark.cli.console import open_data
    from earmark.errors import ScoresError

    clips = open_data(data, dataset)
    ids, count = np.unique(scores.ids, return_counts=True)
    if (count > 1).any():
        raise ScoresError(
            f"{ids[count.argmax()]} has {count.max()} rows: the clips' tags say nothing of single windows. Give scores of clips"
        )
    place = {id_: row for row, id_ in enumerate(clips.ids.tolist())}
    missing = [id_ for id_ in scores.ids.tolist() if id_ not in place]
    if missing:
        raise ScoresError(f"{len(missing)} of {len(scores)} scored clips are not in {data}, such as {missing[0]}")
    return clips.select([place[id_] for id_ in scores.ids.tolist()])


def _metric(name: str | None, task: Literal["one", "many"]) -> tuple[str, Metric]:
    from earmark.errors import ScoresError
    from earmark.registry import METRICS

    name = name or ("accuracy" if task == "one" else "map")
    entry = METRICS[name]
    if task not in entry.facts.get("tasks", ()):
        raise ScoresError(f"the metric {name!r} is not for task {task!r}: see `earmark list metrics`")
    return name, entry.function


def _show_search(found: Search, names: list[str], metric: str) -> None:
    from earmark.cli.console import print_table

    rows = [(i + 1, names[step.member], f"{step.value:.4f}") for i, step in enumerate(found.path)]
    print_table(["round", "added", metric], rows)
    print(f"--weights {':'.join(map(str, found.counts))}: {metric} {found.value:.4f}")


def _names(files: Sequence[Path]) -> list[str]:
    """What tells the members apart: of each path no more of its end than that takes, without names that all runs give."""
    parts = [file.with_suffix("").parts for file in files]
    parts = [part[:-1] if part[-1] in ("tagger", "scores") and len(part) > 1 else part for part in parts]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-count:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{part[-1]} ({number})" for number, part in enumerate(parts, 1)]  # a file that is given twice


def _summary(rule: str, weights: Sequence[float], names: Sequence[str], what: str) -> str:
    shares = [f" {weight:.3g}" for weight in weights] or [""] * len(names)
    shown = ", ".join(name + share for name, share in list(zip(names, shares, strict=True))[:12])
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"{rule} mean of {what + ' of ' if what else ''}{len(names)} members ({shown}{more})"
