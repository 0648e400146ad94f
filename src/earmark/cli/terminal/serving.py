"""From the options of `earmark serve` to a service that runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earmark.models.anytagger import AnyTagger
    from earmark.serve.settings import Settings


def workers(asked: int | None) -> int:
    """A worker a core, where nothing else was asked for."""
    from earmark.inference import process

    return process.cores() if asked is None else asked


def serve(settings: Settings, names: Sequence[str], device: str, engine: str, precision: str) -> None:
    """Load the taggers, say where the page is, and serve until it is stopped. Raises EarmarkError."""
    from earmark.cli.terminal.console import say
    from earmark.cli.terminal.tagging import say_unheard
    from earmark.inference import process
    from earmark.models import loading
    from earmark.serve import app  # first: what it needs may not be installed
    from earmark.serve.answers import named

    settings.check()
    process.take()
    cores = max(1, process.cores() // settings.workers)

    def load(name: str | Path) -> AnyTagger:
        tagger = loading.load(name, device, engine=engine, precision=precision, cores=cores)
        process.share(cores)  # torch may have come with it
        return tagger

    loaded = [load(name) for name in names]
    for tagger in loaded:
        say_unheard(tagger, device)
    taggers = named(zip(names, loaded, strict=True))
    app.run(settings, taggers, say, load)
