"""What an address asks: a parameter that its endpoint does not know, or that is given twice, is refused, not passed over.

Every endpoint is asked by this one dependency, and tells by its own parameters which names it knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fastapi.dependencies.models import Dependant
from fastapi.requests import HTTPConnection

from earmark.errors import EarmarkError, counted
from earmark.registry import did_you_mean

SHOWN = 60  # characters of a name that a refusal repeats


async def check(line: HTTPConnection) -> None:  # async: of the threads for requests it needs none
    """Raises EarmarkError. What only a browser opens takes whatever a link to it has."""
    route = line.scope["route"]
    if not getattr(route, "include_in_schema", True):
        return
    known = list(dict.fromkeys(_names(route.dependant)))
    for name, count in Counter(name for name, _ in line.query_params.multi_items()).items():
        if name not in known:
            takes = f"It takes {', '.join(known)}" if known else "It takes none"
            raise EarmarkError(
                f"{name[:SHOWN]}: {route.path} takes no such parameter{did_you_mean(name, known)} {takes}"
            )
        if count > 1:
            raise EarmarkError(f"{name}: is given {counted(count, 'time')}. Give it once")


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _names(inner)
