"""The rooms of the source and their files, each with the first line of its docstring, and the floors that import-linter keeps.

Nobody enters a file by hand: what has a docstring is in the table. Nothing is imported.
"""

from __future__ import annotations

import ast
import configparser
import re
from collections import Counter
from pathlib import Path

from figures import table

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "earmark"
LAYERS = ROOT / ".importlinter"


def floors(path: Path = LAYERS) -> dict[str, int]:
    """Floor of each room, 0 the lowest, by the contract of type `layers` whose container is `earmark` alone.

    Rooms of one floor stand on one line, between `:` or `|`. Raises ValueError where there is no such contract.
    """
    told = configparser.ConfigParser()
    told.read(path, encoding="utf-8")
    for section in told.values():
        if section.get("type") == "layers" and section["containers"].split() == ["earmark"]:
            lines = [line for line in section["layers"].splitlines() if line.strip()]
            return {room: floor for floor, line in enumerate(reversed(lines)) for room in re.findall(r"\w+", line)}
    raise ValueError(f"{path}: no contract of type layers with the container earmark")


def entries(source: Path = SOURCE) -> list[str]:
    """The rooms: packages, folders of files, and modules of the source's first level, as `ls` shows them."""
    return sorted(
        path.name
        for path in source.iterdir()
        if (path.is_dir() and path.name != "__pycache__") or (path.suffix == ".py" and not path.name.startswith("__"))
    )


def summary(path: Path) -> str:
    """The first line of a module's or package's docstring; Raises ValueError for one without."""
    told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not told:
        raise ValueError(f"{path}: no docstring to tell what it is for")
    return told.partition("\n")[0]


def rooms(source: Path = SOURCE, layers: Path = LAYERS) -> str:
    """A section for each room, floor by floor from the lowest: what it is for, and a table of its files."""
    known = floors(layers)
    names = sorted(entries(source), key=lambda name: (known.get(name.removesuffix(".py"), -1), name))
    return "\n\n".join(_room(source / name, known) for name in names if name.removesuffix(".py") in known)


def _room(path: Path, known: dict[str, int]) -> str:
    floor = f"Floor {known[path.stem]}."
    if path.is_file():
        return f"## {path.name}\n\n{floor} {summary(path)}"
    rows = [
        [f"`{file.relative_to(path).as_posix()}`", summary(file)]
        for file in sorted(path.rglob("*.py"))
        if _told(file, path)
    ]
    others = Counter(
        f"{file.parent.relative_to(path).as_posix()}/*{file.suffix}".removeprefix("./")
        for file in path.rglob("*")
        if file.is_file() and file.suffix not in (".py", ".pyc")
    )
    rows += [[f"`{name}`", f"{count} file{'s' if count > 1 else ''}"] for name, count in sorted(others.items())]
    return f"## {path.name}/\n\n{floor} {summary(path / '__init__.py')}\n\n{table(['file', 'what it is'], rows)}"


def _told(file: Path, room: Path) -> bool:
    """All but the room's own `__init__`, which its section opens with."""
    return file != room / "__init__.py"
