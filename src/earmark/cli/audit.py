"""`earmark audit`: which labels the taggers of a run over folds doubt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest
    from earmark.report import Matched
    from earmark.scores import Scores, Task

COLUMNS = ("id", "path", "tag", "given", "suggested", "score", "why")


def audit(
    source: Annotated[str, typer.Argument(help="A run over folds, or a file of out-of-fold scores.")],
    data: Annotated[Path, typer.Option(help="The data set's folder, or a manifest.")],
    out: Annotated[Path | None, typer.Option(help="Where audit.csv and audit.html go.")] = None,
    top: Annotated[int, typer.Option(help="Doubts that are shown and can be listened to.", min=1)] = 40,
    dataset: Annotated[str | None, typer.Option(help="The folder's layout, for a file of scores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All doubts as JSON on stdout.")] = False,
    batch: Annotated[int, typer.Option(help="Windows scored at once.")] = 16,
    workers: Annotated[int, typer.Option(help="Threads that decode.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """List the clips whose label the scores speak against, the surest first; each scored by a tagger that never saw it."""
    from earmark import report
    from earmark.cli.console import check_folder, print_table, say
    from earmark.evaluation import clips as judging
    from earmark.evaluation import labels as auditing
    from earmark.evaluation.clips import Asked
    from earmark.report.excerpt import places

    check_folder("--out", out)
    if Path(source).suffix in (".parquet", ".csv"):
        scores, clips = _from_file(Path(source), data, dataset)
    else:
        files = judging.files(source)
        _check_out_of_fold(files, source)
        asked = Asked(data, batch=batch, workers=workers, device=device, bear=True)
        heard = [judging.judge(file, asked) for file in files]
        judging.check_apart(heard, source)
        scores, clips = judging.together(heard)
    matched = report.match(scores, clips)
    task: Task = "one" if (matched.truth.sum(1) == 1).all() else "many"
    doubts = auditing.rank(matched.values, matched.truth, task)
    rows = [_row(doubt, matched, scores.tags) for doubt in doubts]
    if out is not None:
        report.write_audit(rows, out, "audit", places(clips), notes=_notes(task))
        say(f"{out}: audit.html to look at and listen to, audit.csv with all")
    if as_json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    else:
        print_table(list(COLUMNS[1:]), [[row[name] for name in COLUMNS[1:]] for row in rows[:top]])
    say(f"{len(rows)} labels of {len(clips)} clips are doubted")


def _from_file(path: Path, data: Path, dataset: str | None) -> tuple[Scores, Manifest]:
    """Scores, and the clips of the manifest that they are of."""
    import numpy as np

    from earmark.cli.console import open_data, say
    from earmark.scores import Scores

    scores = Scores.load(path)
    clips = open_data(data, dataset)
    scored = clips.select(np.isin(clips.ids, scores.ids))
    if left := int((~np.isin(scores.ids, clips.ids)).sum()):
        say(f"{left} of the {len(scores)} rows of {path} are of clips that {data} does not have: left out")
    if left := len(clips) - len(scored):
        say(f"{left} of the {len(clips)} clips of {data} have no scores in {path}: left out")
    return scores, scored


def _check_out_of_fold(files: list[str | Path], source: str) -> None:
    from earmark.errors import EarmarkError

    if len(files) < 2:
        raise EarmarkError(
            f"{source}: an audit needs scores of taggers that did not learn from the clips they score: give the folder of "
            "a run with --fold all, or a file of out-of-fold scores"
        )


def _row(doubt: Any, matched: Matched, tags: tuple[str, ...]) -> dict[str, Any]:
    tag = tags[doubt.tag]
    own = " and ".join(name for name, is_given in zip(tags, matched.truth[doubt.row], strict=True) if is_given)
    if doubt.suggested is not None:
        suggested = tags[doubt.suggested]
        why = f"{suggested} scores {doubt.other:.2f}, {tag} {doubt.score:.2f}"
    else:
        suggested = f"without {tag}" if doubt.given else f"with {tag}"
        why = f"{tag} scores {doubt.score:.2f}, {'low' if doubt.given else 'high'} for that tag"
    return {
        "id": str(matched.ids[doubt.row]), "path": matched.paths[doubt.row], "tag": tag, "given": own or "no tag",
        "suggested": suggested, "score": round(doubt.doubt, 4), "why": why,
    }  # fmt: skip


def _notes(task: str) -> list[str]:
    """How the page is to be read."""
    kind = "its own tag and the highest other one" if task == "one" else "the tag in doubt"
    return [
        "Each clip was scored by a tagger that was not trained on it.",
        f"A label is in doubt where the scores of {kind} speak against it; the list begins with the surest.",
        "A doubt is no proof: taggers err too, most of all on rare and on quiet sounds. Listen before a label is changed.",
    ]
