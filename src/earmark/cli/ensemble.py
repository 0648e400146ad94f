"""`earmark ensemble`: score files → one, or taggers → one tagger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from earmark.cli.members import SCORES, check_out, files_of, names_of, save, summary


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
    from earmark.cli.ensemblescores import Asked, of_scores
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
    files = files_of(inputs or [], epochs or [])
    check_out(out, files)
    told: dict[str, Any] = {"members": [str(file) for file in files]}
    shares = _weights(weights)
    if files[0].suffix in SCORES:
        if mean_weights:
            raise EarmarkError("--mean-weights is of taggers; these are score files")
        asked = Asked(rule, over or "clips", only, task, metric, rounds, data, dataset, search, cross, agreement)
        told |= of_scores(files, out, shares, asked, tables=not as_json)
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


def _of_taggers(
    files: list[Path],
    out: Path,
    rule: Literal["arithmetic", "geometric", "rank"],
    weights: Any,
    mean_weights: bool,
    data: tuple[Path, str | None] | None,
) -> dict[str, Any]:
    """One file with all taggers, or one tagger in the middle of them."""
    from earmark.cli.console import say
    from earmark.models import averaging as soup
    from earmark.models import loading
    from earmark.models.ensemble import Ensemble

    members, names = [loading.load(file) for file in files], names_of(files)
    made: Any = soup.average(members, weights) if mean_weights else Ensemble(members, rule, weights)
    if data is not None:
        _renew(made, *data)
    save(made, out)
    shares = made.facts["soup"]["weights"] if mean_weights else made.weights.tolist()
    if mean_weights:
        if data is None:
            say("running statistics are averaged like weights; with --data they are measured anew")
        say("nets that were not trained in one run have no useful mean of weights")
    elif not made.alike:
        say("the members hear different windows: the ensemble scores whole recordings, not window by window")
    what = "weights" if mean_weights else ""
    told = {"rule": rule, "weights": shares, "tagger": made.identity(), "mean weights": mean_weights}
    return told | {"summary": f"{len(made.vocabulary)} tags; {summary(rule, shares, names, what)}"}


def _renew(made: Any, data: Path, dataset: str | None) -> None:
    """Measure the running statistics on the windows of the clips that the members learnt from."""
    from earmark.cli.console import say
    from earmark.data import splits
    from earmark.errors import EarmarkError
    from earmark.evaluation import clips as judging
    from earmark.models import averaging as soup
    from earmark.train.loader import Waves, validation_batches

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
