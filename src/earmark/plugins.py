"""Plug-ins from outside: files that the user names, and packages that are installed.

A plug-in registers nets, features, data sets, … with the decorators that earmark's own have. A file is run because the user
names it, as `--plugin FILE.py` or to `load`, and for no other reason; a package is imported because it is installed and has
an entry point of the group `earmark.plugins`, whose value is a module. A tagger file tells which it needs, and runs none.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from earmark.errors import EarmarkError
from earmark.errors.kinds import checked

GROUP = "earmark.plugins"
PREFIX = "earmark_plugin_"  # of the names that files have as modules


@dataclass
class Plugin:
    """name: of the file, or of the package. place: where the file is; of a package its name and version.

    root: the module, or the package, in which all lies that it registers. sha256: of the file's bytes, hexadecimal.
    gives: (kind, name) of what it registers. error: why nothing of it could be used.
    """

    name: str
    place: str
    root: str
    sha256: str = ""
    version: str = ""
    gives: list[tuple[str, str]] = field(default_factory=list)
    error: str = ""
    # what takes back what it registered, and gives what registers it again
    undo: list[Callable[[], Callable[[], None]]] = field(default_factory=list, repr=False)

    def forget(self) -> Callable[[], None]:
        """Take back what it registered. What this gives registers it again."""
        gives, undo = [*self.gives], [*self.undo]
        again = [take_back() for take_back in reversed(undo)]
        self.gives.clear()
        self.undo.clear()

        def remember() -> None:
            for put in reversed(again):
                put()
            self.gives[:], self.undo[:] = gives, undo

        return remember

    def as_dict(self) -> dict[str, str]:
        """Which one it is, as a tagger file tells it."""
        if self.sha256:
            return {"file": self.name, "sha256": self.sha256}
        return {"package": self.name, "version": self.version}


_KNOWN: dict[str, Plugin] = {}  # by root
_LOOKED: set[str] = set()  # groups of entry points that were looked through


def known() -> list[Plugin]:
    """Those that were loaded, or could not be imported, in order."""
    installed()
    return list(_KNOWN.values())


def of(module: str) -> Plugin | None:
    """The plug-in that a module belongs to, by the module's name; None for earmark's own."""
    return _KNOWN.get(module.partition(".")[0])


def broken() -> str:
    """'' or a sentence on each installed plug-in that cannot be imported."""
    return "".join(f". The plug-in {each.place} cannot be imported ({each.error})" for each in known() if each.error)


@checked
def load(path: str | Path) -> Plugin:
    """Run a file of Python, once. Raises EarmarkError where it cannot be read or run, or registers nothing.

    What it had registered by then is taken back. A file that has changed is run anew, in place of what it was; where that fails,
    what it was stays.
    """
    path = Path(path)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise EarmarkError(f"plug-in {path}: cannot be read ({error.strerror}). Name a file of Python") from error
    place = os.path.realpath(path)
    root = f"{PREFIX}{re.sub(r'[^0-9A-Za-z]', '_', path.stem)}_{hashlib.sha256(place.encode()).hexdigest()[:8]}"
    plugin = Plugin(path.name, str(path), root, hashlib.sha256(source).hexdigest())
    before, module_before = _KNOWN.get(root), sys.modules.get(root)
    if before is not None and before.sha256 == plugin.sha256:
        return before
    remember = None if before is None else before.forget()
    _KNOWN[root] = plugin
    sys.modules[root] = module = ModuleType(root)
    module.__file__ = place
    try:
        _run(source, path, module)
        if not plugin.gives:
            raise EarmarkError(
                f"plug-in {path}: registers nothing. Put a decorator on what it is to give, such as @net(…) of "
                "earmark.models.nets on the function of a net"
            )
    except BaseException:
        plugin.forget()
        del _KNOWN[root], sys.modules[root]
        if before is not None and module_before is not None and remember is not None:
            _KNOWN[root], sys.modules[root] = before, module_before
            remember()
        raise
    return plugin


def check_same(path: str, sha256: str) -> None:
    """Raises EarmarkError where the file of a plug-in is not there, or no longer holds what was loaded from it."""
    try:
        found = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise EarmarkError(
            f"plug-in {path}: cannot be read ({error.strerror}), and another process needs it to make its tagger again. Put the "
            "file back"
        ) from error
    if found != sha256:
        raise EarmarkError(
            f"plug-in {path}: has changed since it was loaded (SHA-256 {found[:12]}…, not {sha256[:12]}…), so that another process "
            "would make another tagger by it. Load it again, and the tagger anew"
        )


def load_again(files: Sequence[tuple[str, str]]) -> None:
    """Load (path, SHA-256) that another process had loaded, as they were. Raises EarmarkError as `check_same` and `load`."""
    for path, sha256 in files:
        check_same(path, sha256)
        load(path)


def _run(source: bytes, path: Path, module: ModuleType) -> None:
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    except EarmarkError as error:
        raise EarmarkError(f"plug-in {path}: {error}") from error
    except (Exception, SystemExit) as error:
        advice = ""
        if isinstance(error, ModuleNotFoundError):
            advice = (
                ". A plug-in is one file: put what it needs into it, install it, or make a package of it with an entry "
                f"point of the group {GROUP}"
            )
        told = f"{type(error).__name__}: {error}".rstrip(": ")
        raise EarmarkError(f"plug-in {path}: cannot be run{_line(error, path)}: {told}{advice}") from error


def _line(error: BaseException, path: Path) -> str:
    """' (line 3)': the last of the file's own lines that led to an error."""
    number = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            number = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {number})" if number else ""


def installed() -> None:
    """Import what installed packages have as entry points, once. One that cannot be imported is told where it is missed."""
    if GROUP in _LOOKED:
        return
    from importlib import metadata  # which takes longer to import than all else here

    _LOOKED.add(GROUP)
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: (point.value, point.name)):
        root = point.module.partition(".")[0]
        name, version = (point.dist.name, point.dist.version) if point.dist else (root, "")
        plugin = _KNOWN.setdefault(root, Plugin(name, f"{name} {version}".strip(), root, version=version))
        try:
            point.load()
        except Exception as error:
            plugin.forget()
            plugin.error = f"{type(error).__name__}: {error}"
