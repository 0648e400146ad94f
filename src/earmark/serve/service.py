"""A running service: its settings, taggers, workers, and what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.requests import HTTPConnection

from earmark.errors import UnknownName
from earmark.models.anytagger import AnyTagger
from earmark.registry import did_you_mean
from earmark.serve.meters import Meters
from earmark.serve.settings import Settings
from earmark.serve.uploads import Spool
from earmark.serve.work import Desk


@dataclass
class Service:
    """taggers: by name; the first is asked where none is named."""

    settings: Settings
    taggers: Mapping[str, AnyTagger]
    desk: Desk
    spool: Spool
    meters: Meters

    @staticmethod
    def of(settings: Settings, taggers: Mapping[str, AnyTagger]) -> Service:
        desk = Desk(settings.workers, settings.waiting)
        return Service(settings, taggers, desk, Spool(settings), Meters(lambda: desk.taken))

    def tagger(self, name: str | None) -> tuple[str, AnyTagger]:
        """Raises UnknownName."""
        name = next(iter(self.taggers)) if name is None else name
        if name not in self.taggers:
            raise UnknownName(
                f"{name}: no such tagger here{did_you_mean(name, self.taggers)} Known: {', '.join(self.taggers)}"
            )
        return name, self.taggers[name]

    def close(self) -> None:
        self.desk.close()
        self.spool.close()


def of_request(request: HTTPConnection) -> Service:
    found: Service = request.app.state.service
    return found


Here = Annotated[Service, Depends(of_request)]
