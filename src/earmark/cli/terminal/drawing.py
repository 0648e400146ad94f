"""Pictures of events beside a table of them, with the events that are known where a table tells some."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from earmark.events import EventRules
    from earmark.scores import Event

TABLES = (".csv", ".tsv", ".parquet")  # endings of files that are tables, and nothing else


@dataclass(frozen=True)
class Artist:
    """folder: of the pictures. reference: events by name of the recording, or None where nothing is known of any.
    strongest: how many tags are drawn, the strongest; None: all that are found or known. missing: names of recordings without theirs."""

    folder: Path
    reference: dict[str, list[Event]] | None
    sample_rate: int
    strongest: int | None = None
    taken: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)

    @staticmethod
    def of(folder: Path | None, table: Path | None, sample_rate: int, strongest: int | None = None) -> Artist | None:
        """None where no pictures are asked for. Raises EarmarkError for a table without pictures."""
        from earmark.errors import EarmarkError

        if folder is None:
            if table is not None:
                raise EarmarkError(
                    f"--reference {table}: known events are drawn in pictures: give a folder with --pictures"
                )
            if strongest is not None:
                raise EarmarkError(f"--strongest {strongest}: is of pictures: give a folder with --pictures")
            return None
        reference = known_events(table) if table is not None else None
        folder.mkdir(parents=True, exist_ok=True)
        return Artist(folder, reference, sample_rate, strongest)

    def draw(
        self, name: str, file: str, heard: Any, moments: Any, rules: EventRules, found: Sequence[Event], salvage: bool
    ) -> None:
        """The picture of a recording, `file` and .png, with a number where that is taken."""
        from earmark.cli.terminal.console import say
        from earmark.events import track
        from earmark.files import free_name
        from earmark.report.pictures import events as eventpicture

        path = Path(heard.recording.path)
        known = None
        if self.reference is not None:
            known = next((self.reference[key] for key in (name, path.name, path.stem) if key in self.reference), None)
            if known is None:
                say(f"{name}: the table of known events does not name it")
        file = free_name(file, self.taken, ".png")
        start = heard.recording.start or 0.0
        scene = eventpicture.Scene(
            path, start, heard.duration, track(moments), rules, found, known, name, self.strongest
        )
        if not drawn(name, lambda: eventpicture.draw(scene, self.sample_rate, self.folder / file, salvage=salvage)):
            self.missing.append(name)


def drawn(name: str, draw: Callable[[], object]) -> bool:
    """Draw the picture of what `name` says. Where that fails, it is said: what was found must not be lost with its picture."""
    from earmark.cli.terminal.console import say
    from earmark.errors import EarmarkError
    from earmark.errors.words import reason

    try:
        draw()
    except (EarmarkError, OSError) as error:
        say(f"no picture of {name}: {reason(error)}")
        return False
    return True


def known_events(file: Path) -> dict[str, list[Event]]:
    """Known events by recording: of a table with filename, onset, offset and event_label, or a file in any format of events.

    Raises ManifestError.
    """
    from earmark.cli.terminal.console import say
    from earmark.errors import ManifestError, ScoresError
    from earmark.events import formats

    try:
        return _of_table(file)
    except ManifestError as error:
        if file.suffix in TABLES or not file.is_file():
            raise
        try:
            return formats.read(file, report=say)
        except ScoresError as other:
            raise ManifestError(f"{error}. Nor is it another file of events: {other}") from error


def _of_table(table: Path) -> dict[str, list[Event]]:
    # not as `earmark.read_events` has it: an event of no length says that not all of a recording's events are known
    from earmark.data.datasets import columns, strong
    from earmark.data.manifest import load_table
    from earmark.scores import Event

    told = strong(table, *columns(load_table(table), table, "filename", "onset", "offset", "event_label"))
    return {
        name: [Event(onset, offset, tag, 1.0) for tag, onset, offset in events or []]
        for name, events in told.events.items()
    }
