"""A running service: its settings, taggers, workers, and what it holds."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends
from fastapi.requests import HTTPConnection

from earmark.errors import UnknownName
from earmark.models.anytagger import AnyTagger
from earmark.registry import did_you_mean
from earmark.serve import disks
from earmark.serve.disks import Places
from earmark.serve.hearing import Memory
from earmark.serve.jobs import Jobs
from earmark.serve.lessons import by_tag, opened
from earmark.serve.listing import Listed
from earmark.serve.meters import Meters
from earmark.serve.settings import Settings
from earmark.serve.shelf import Shelf
from earmark.serve.store import UNKNOWN, State, Store
from earmark.serve.trainings import Load, Trainings
from earmark.serve.uploads import Spool
from earmark.serve.work import Desk

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest

log = logging.getLogger("earmark")
DRAWERS, WAITING = 2, 64  # threads that draw, and pictures that may wait


@dataclass
class Service:
    """taggers: by name; the first is asked where none is named. drawers: who draws and plays need not wait for who hears."""

    settings: Settings
    taggers: dict[str, AnyTagger]
    desk: Desk
    spool: Spool
    meters: Meters
    shelf: Shelf
    memory: Memory
    drawers: Desk
    store: Store | None = None  # of a folder of recordings
    jobs: Jobs | None = None
    trainings: Trainings | None = None
    places: Places | None = None  # where requests write
    listeners: int = 0  # to live sound, now
    clips: Manifest | None = None  # from which taggers learnt
    examples: dict[str, list[Any]] = field(default_factory=dict)  # of these, by tag; see `earmark.serve.examples`

    @staticmethod
    def of(settings: Settings, given: Mapping[str, AnyTagger], load: Load) -> Service:
        taggers = dict(given)
        desk = Desk(settings.workers, settings.waiting)
        spool = Spool(settings)
        shelf = Shelf(settings, spool)
        made = Service(
            settings, taggers, desk, spool, Meters(lambda: desk.taken), shelf, Memory(), Desk(DRAWERS, WAITING)
        )
        made.places = Places({disks.SENT: spool.folder}, lambda: None)
        if settings.clips is not None:
            made.know(opened(settings.clips, settings.dataset, log.warning))
        if settings.recordings is not None:
            made.store = Store(settings.kept, settings.recordings)
            made.places = Places({disks.STATE: settings.kept, disks.SENT: spool.folder}, made.store.try_again)
            shelf.listing.noticed = made.notice
            made.trainings = Trainings(made.store, shelf, taggers, settings, load)  # what was taken is served first
            made.jobs = Jobs(made.store, shelf, taggers, desk, settings.kept / "jobs")
        return made

    def know(self, clips: Manifest) -> None:
        """These clips can be learnt from, and heard as examples."""
        self.clips, self.examples = clips, by_tag(clips)
        self.shelf.add_clips({clip[0] for chosen in self.examples.values() for clip in chosen})

    def notice(self, listed: Listed) -> None:
        """Which recordings are there as they were heard, by a new list of the folder."""
        store, names = self.store, frozenset(listed.names.values())
        if store is not None:
            store.look(lambda name: self._state(name, listed) if name in names else None)

    def _state(self, name: str, listed: Listed) -> State | None:
        return UNKNOWN if name in listed.unnamed else self.shelf.listing.state(name)

    @property
    def folder(self) -> tuple[Store, Jobs]:
        """What is kept of the folder. Raises UnknownName where the service was given none."""
        if self.store is None or self.jobs is None:
            raise UnknownName("this service has no folder of recordings: start it with --recordings FOLDER")
        return self.store, self.jobs

    def tagger(self, name: str | None) -> tuple[str, AnyTagger]:
        """Raises UnknownName."""
        name = next(iter(self.taggers)) if name is None else name
        if name not in self.taggers:
            raise UnknownName(
                f"{name}: no such tagger here{did_you_mean(name, self.taggers)} Known: {', '.join(self.taggers)}"
            )
        return name, self.taggers[name]

    def close(self) -> None:
        if self.jobs is not None and self.store is not None:
            self.jobs.close()
            if self.trainings is not None:
                self.trainings.close()
            self.store.close()
        self.desk.close()
        self.drawers.close()
        self.spool.close()


async def of_request(request: HTTPConnection) -> Service:  # async: of the threads for requests it needs none
    found: Service = request.app.state.service
    return found


Here = Annotated[Service, Depends(of_request)]
