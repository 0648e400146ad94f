"""The names of an adopted net's tags: a table with a row for each, in the order of its outputs."""

from __future__ import annotations

from pathlib import Path

from earmark.data import manifest as manifests
from earmark.data.datasets import columns
from earmark.errors import ManifestError, counted

NAMES = ("display_name", "tag", "name", "label")  # the column that holds them: the first of these that is there


def load(file: Path, count: int) -> tuple[str, ...]:
    """Raises ManifestError where the table has not `count` different names in the order of its column `index`."""
    table = manifests.load_table(file)
    column = next((name for name in NAMES if name in table.column_names), NAMES[0])
    (names,) = columns(table, file, column)
    names = [str(name or "").strip() for name in names]
    if len(names) != count:
        raise ManifestError(
            f"{file}: names {counted(len(names), 'tag')}, and the net has {count:,}: it is of another net"
        )
    if "index" in table.column_names:
        for row, told in enumerate(table["index"].to_pylist()):
            if str(told).strip() != str(row):
                raise ManifestError(f"{file}: line {row + 2} has index {told}, and {row} comes here: sort it by index")
    seen: dict[str, int] = {}
    for row, name in enumerate(names, 2):
        if not name or name in seen:
            where = f"again, after line {seen[name]}" if name else "nothing"
            raise ManifestError(
                f"{file}: line {row} names {name or ''}{' ' * bool(name)}{where}: each tag has a name of its own"
            )
        seen[name] = row
    return tuple(names)
