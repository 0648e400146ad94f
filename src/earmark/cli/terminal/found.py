"""The recordings that a user names: by folders, by their files, and by tables that list them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earmark.files.stores import place


def recordings(paths: Sequence[Path]) -> Sequence[Path]:
    """Recordings, each once, in order; what is passed over is said. Raises ManifestError for a table that lists none."""
    from earmark import audio
    from earmark.cli.terminal.console import say

    paths = [place(path) for path in paths]
    if any(path.suffix.lower() in (".parquet", ".csv", ".tsv") for path in paths):
        from earmark.data import listed  # tables take time to import, and few commands need them

        return listed.listing(paths, say)
    return audio.listing(paths, say)
