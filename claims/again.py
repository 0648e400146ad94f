"""Reports in results/ judged again, from the scores beside them: so that old ones have the metrics of today.

    python -m claims.again [NAME …] [--data FOLDER] [--results FOLDER]

What stood there must come out as it did, each metric with its interval, to a billionth; else nothing is written of that
report, and it is said. How its figures came about, and what was to be said of them, stays as it was. Nothing is listened to.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from earmark import report
from earmark.errors import EarmarkError
from earmark.evaluation import evaluation
from earmark.evaluation.figures import Figures

ROOT = Path(__file__).parent.parent
FOLDERS = {"esc": "esc10", "fsdd": "fsdd"}  # of recordings, by what a protocol calls the data
NEAR = 1e-9


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 1 where a report came out otherwise than it stood."""
    parser = argparse.ArgumentParser(prog="python -m claims.again", description="Old reports with today's metrics.")
    parser.add_argument("names", nargs="*", help="folders below results/; default: all with scores beside them")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("EARMARK_DATA", ROOT.parent / "shared" / "data"))
    )
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    asked = parser.parse_args(arguments)
    found = sorted(
        path.parent for path in asked.results.rglob("report.json") if (path.parent / "scores.parquet").is_file()
    )
    chosen = [
        folder for folder in found if not asked.names or folder.relative_to(asked.results).as_posix() in asked.names
    ]
    failed = False
    for folder in chosen:
        name = folder.relative_to(asked.results).as_posix()
        try:
            print(f"{name}: {again(folder, asked.data)}", flush=True)
        except EarmarkError as error:
            print(f"{name}: left as it was: {error}", file=sys.stderr, flush=True)
            failed = True
    return int(failed)


def again(folder: Path, data: Path) -> str:
    """Write a report anew; what was done, in words. Raises EarmarkError where it would say something else than it did."""
    old: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    if old.get("events") is not None:
        return "left out: events are judged on scenes, which are not stored"
    if (where := FOLDERS.get(old["protocol"]["data"])) is None or not (data / where).is_dir():
        return f"left out: its clips are not here ({old['protocol']['data']})"
    told = evaluation.evaluate(
        str(folder / "scores.parquet"),
        data / where,
        dataset=old["protocol"]["data"],
        resamples=old["interval"]["resamples"],
    )
    figures = replace(told.figures, protocol=old["protocol"], notes=tuple(old["notes"]))
    if wrong := differences(old, figures):
        raise EarmarkError(f"it would say something else: {'; '.join(wrong)}")
    more = [name for name in figures.metrics if name not in old["metrics"]]
    page, paged = folder / "report.html", (folder / "report.html").exists()
    report.write(figures, folder, "report", scores=told.scores, manifest=told.clips)
    if not paged:
        page.unlink()
    return f"with {', '.join(more)}" if more else "as it was"


def differences(old: dict[str, Any], figures: Figures) -> list[str]:
    """Metrics that stood there and come out otherwise, in words."""
    new = figures.as_dict()["metrics"]
    wrong = []
    for name, stood in old["metrics"].items():
        now = new.get(name, {})
        if any(_far(stood[key], now.get(key)) for key in stood):
            wrong.append(f"{name} was {stood['value']}, now {now.get('value')}")
    return wrong


def _far(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is not other
    return abs(one - other) > NEAR


if __name__ == "__main__":
    sys.exit(main())
