"""What `earmark explain` does with recordings, and what it says of what a net does not have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

    from earmark.cli.terminal.console import Silent
    from earmark.report.explain import Explanation


def add_recordings(
    found: Explanation, recordings: list[Path], bar: Progress | Silent, start: float, salvage: bool
) -> tuple[list[str], list[str]]:
    """(what is to be said of the recordings, why those that could not be read could not)."""
    from earmark import audio
    from earmark.errors import AudioError

    notes: list[str] = []
    failures: list[str] = []
    task = bar.add_task("recordings", total=len(recordings), told="", visible=bool(recordings))
    for path in recordings:
        try:
            if found.hears:
                notes += found.add_recording(path, start, salvage=salvage)
            else:
                audio.info(path)  # that a recording is not there is said, though nothing would be shown of it
        except AudioError as error:
            failures.append(str(error))
        bar.advance(task)
    return notes, failures


def missing(found: Explanation, recordings: int) -> list[str]:
    """What the user may have expected and does not get."""
    net = found.facts["net"]
    told = []
    if not found.layers:
        told.append(f"{net} hears maps, not samples: of its filters only the first layer's kernels are shown")
    if recordings and not found.shows:
        held = ", but for how far they excite its filters" if found.layers else ""
        told.append(
            f"{net} tells of whole windows only, and has no gates: recordings show nothing more of it than "
            f"`earmark tag --pictures` does{held}"
        )
    if not recordings and found.shows:
        told.append(f"{net} can be seen at work: give recordings, and their moments or gates are shown too")
    return told
