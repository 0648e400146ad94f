"""Pictures of events beside a table of them, with the events that are known where a table tells some."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.errors import agreed, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from earmark.events import EventRules
    from earmark.scores import Event

TABLES = (".csv", ".tsv", ".parquet")  # endings of files that are tables, and nothing else


@dataclass(frozen=True)
class Artist:
    """folder: of the pictures. reference: known events by recording, or None where nothing is known of any.
    strongest: how many tags are drawn, the strongest; None: all that are found or known. missing: names of recordings without theirs."""

    folder: Path
    reference: dict[Path, list[Event]] | None
    sample_rate: int
    strongest: int | None = None
    taken: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)

    @staticmethod
    def of(
        folder: Path | None,
        table: Path | None,
        sample_rate: int,
        strongest: int | None = None,
        found: Sequence[Path] = (),
    ) -> Artist | None:
        """None where no pictures are asked for. found: what is to be heard. Raises EarmarkError for a table without pictures."""
        from earmark.errors import EarmarkError

        if folder is None:
            if table is not None:
                raise EarmarkError(
                    f"--reference {table}: known events are drawn in pictures: give a folder with --pictures"
                )
            if strongest is not None:
                raise EarmarkError(f"--strongest {strongest}: is of pictures: give a folder with --pictures")
            return None
        reference = _by_recording(table, known_events(table), found) if table is not None else None
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
        known = None if self.reference is None else self.reference.get(path)
        if known is None and self.reference is not None:
            say(f"{name}: the table of known events does not name it")
        late = [event for event in known or () if event.onset >= heard.duration]
        if known is not None and late:
            say(
                f"{name}: {counted(len(late), 'known event begins', 'known events begin')} after its end, at "
                f"{heard.duration:.2f} s, such as {late[0].tag!r} from {late[0].onset:g} s: "
                f"{agreed(len(late), 'it is', 'they are')} not drawn. Times are seconds from the start of the recording"
            )
            known = [event for event in known if event not in late]
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


def _by_recording(table: Path, known: dict[str, list[Event]], found: Sequence[Path]) -> dict[Path, list[Event]]:
    """Known events by recording; it is said what is of none of them. Raises ManifestError where a name is of several."""
    from earmark.cli.terminal.console import say
    from earmark.errors import ManifestError, ScoresError
    from earmark.evaluation.reviews.found import fitting

    way = "give the folder of each in the table"
    try:
        where, missing = fitting(known, found, lambda told: say(f"{table}: {told}"), one=way, other=way)
    except ScoresError as error:
        raise ManifestError(f"--reference {table}: {error}") from error
    if missing and found:
        name, why = next(iter(missing.items()))
        say(
            f"{table}: {len(missing):,} of its {counted(len(known), 'recording')} {agreed(len(missing), 'is', 'are')} not "
            f"among the {len(found):,} that {agreed(len(found), 'is', 'are')} heard, such as "
            f"{name!r}{why and f' ({why})'}: {agreed(len(missing), 'its', 'their')} known events are drawn nowhere"
        )
    drawn: dict[Path, list[Event]] = {}
    for name, path in where.items():
        drawn[path] = [*drawn.get(path, []), *known[name]]
    return drawn


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
