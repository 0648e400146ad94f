"""Names → functions: the nets, features, data sets, augmentations, metrics and event formats that recipes and commands name.

A plug-in is a function with a decorator in a file of its kind's package. Nothing lists the files: they are found when
the first name is looked up, and so are those of installed packages; files that the user names come before: see
`earmark.plugins`. Two functions of one name are an error, and an unknown name is answered with the nearest. What a kind must
have is looked at when it is registered; what a plug-in raises at work comes out as an error that names it.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from earmark import plugins
from earmark.errors import EarmarkError, UnknownName

STAGES = ("clip", "pair", "batch", "maps")  # of augmentations, in the order in which they work
INSTALL_TORCH = "pip install 'earmark[train]'"
Function = TypeVar("Function", bound=Callable[..., Any])


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """', did you mean …?' for the nearest known name, or '.': the end of a sentence about an unknown one.

    >>> did_you_mean("resnet_batt", ["resnet_b_att", "cnnspec"])
    ", did you mean 'resnet_b_att'?"
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f", did you mean {near[0]!r}?" if near else "."


@dataclass(frozen=True)
class Entry:
    """One registered function. facts: what its decorator was told, such as the paper. plugin: None for earmark's own.

    kind: what it is one of, as messages call it.
    """

    name: str
    function: Callable[..., Any]
    facts: dict[str, Any] = field(default_factory=dict)
    plugin: plugins.Plugin | None = None
    kind: str = "function"

    @property
    def own(self) -> bool:
        """Whether it is earmark's, and no plug-in's nor of a program that calls earmark."""
        return self.function.__module__.partition(".")[0] == "earmark"

    @property
    def told(self) -> str:
        """What messages call it: "the metric 'worst' of mine.py"."""
        place = self.plugin.place if self.plugin else self.function.__module__
        return f"the {self.kind} {self.name!r}" + ("" if self.own else f" of {place}")

    @contextmanager
    def at_work(self, doing: str, kind: type[EarmarkError] = EarmarkError) -> Iterator[None]:
        """What a plug-in raises within comes out as an error of this kind that names it, what it does, and its line.

        An EarmarkError goes through, and so does what earmark's own raise: that is a mistake of earmark's, and its traceback is
        for whoever mends it.
        """
        try:
            yield
        except EarmarkError:
            raise
        except Exception as error:
            if self.own:
                raise
            what = f"{type(error).__name__}: {error}".rstrip(": ")
            raise kind(f"{self.told}: its {doing} fails{self._line(error)}: {what}{_way_out(error)}") from error

    def _line(self, error: Exception) -> str:
        """' (line 3)': the last line of its own module that led to an error."""
        number, trace = 0, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_globals.get("__name__") == self.function.__module__:
                number = trace.tb_lineno
            trace = trace.tb_next
        return f" (line {number})" if number else ""

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def arguments(self) -> dict[str, inspect.Parameter]:
        """The parameters that a recipe may set, by name."""
        return dict(_parameters(self.function))


@functools.cache
def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Read once: a recipe's check asks for the same functions' tens of times."""
    return inspect.signature(function).parameters


def _way_out(error: Exception) -> str:
    """What to do where an array that is another's was written to."""
    if isinstance(error, ValueError) and "read-only" in str(error):
        return ". What it is given is not its own: make a new array, as `wave * 0.5` does, in place of `wave *= 0.5`"
    return ""


def _place(function: Callable[..., Any]) -> str:
    plugin = plugins.of(function.__module__)
    return f"{plugin.place if plugin else function.__module__}.{function.__qualname__}"


class Registry:
    """The functions of one kind. home: the module or package that holds them, imported on first use.

    plugged: whether packages that are installed may add some.

    >>> "esc" in DATASETS
    True
    >>> list(DATASETS["esc"].arguments())
    ['root', 'subset']
    """

    def __init__(self, kind: str, home: str, plugged: bool = True):
        self.kind = kind
        self.plugged = plugged
        self.home = home
        self._entries: dict[str, Entry] = {}
        self._imported = False

    def register(self, name: str | None = None, **facts: Any) -> Callable[[Function], Function]:
        """Decorator: registers a function or class under `name` (default: its own name)."""

        def add(function: Function) -> Function:
            key = name or function.__name__
            plugin = plugins.of(function.__module__)
            if plugin is not None:
                self._find()  # so that a name of earmark's own that it takes is told here
            other = self._entries.get(key)
            # a module that is imported again registers the same functions again
            if other is not None and _place(other.function) != _place(function):
                raise EarmarkError(
                    f"two {self.kind}s are called {key!r}: {_place(other.function)} and {_place(function)}. "
                    "Rename one of them"
                )
            self._entries[key] = Entry(key, function, facts, plugin, self.kind)
            if plugin is not None and other is None:
                plugin.gives.append((self.kind, key))
                plugin.undo.append(partial(self._drop, key))
            return function

        return add

    def _drop(self, name: str) -> Callable[[], None]:
        """What it gives puts it there again."""
        return partial(self._entries.__setitem__, name, self._entries.pop(name))

    def _find(self) -> None:
        if self._imported:
            return
        try:
            home = importlib.import_module(self.home)
            for module in pkgutil.iter_modules(getattr(home, "__path__", [])):
                importlib.import_module(f"{self.home}.{module.name}")
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise EarmarkError(f"{self.kind}s need torch, which is not installed: {INSTALL_TORCH}") from error
        self._imported = True
        if self.plugged:
            plugins.installed()

    def files(self) -> list[str]:
        """The names of the files in its home, in alphabetical order; nothing is imported.

        Of kinds whose plug-ins are called as their files these are the names, at once.
        """
        known = sys.modules.get(self.home)
        places = known.__path__ if known else [str(Path(__file__).parent.joinpath(*self.home.split(".")[1:]))]
        return sorted(module.name for module in pkgutil.iter_modules(places))

    def names(self) -> list[str]:
        self._find()
        return sorted(self._entries)

    def former(self) -> dict[str, str]:
        """Former name → present name, of what was registered with `formerly`; looked up, both give the same."""
        self._find()
        entries = self._entries.values()
        return {entry.facts["formerly"]: entry.name for entry in entries if "formerly" in entry.facts}

    def __contains__(self, name: object) -> bool:
        self._find()
        return name in self._entries or name in self.former()

    def __getitem__(self, name: str) -> Entry:
        self._find()
        name = self.former().get(name, name)
        if name not in self._entries:
            raise UnknownName(
                f"no {self.kind} is called {name!r}{did_you_mean(name, self._entries)} "
                f"Known: {', '.join(self.names()) or 'none'}{plugins.broken()}"
            )
        return self._entries[name]


NETS = Registry("net", "earmark.models.nets")
FEATURES = Registry("feature", "earmark.models.features")
# The same in NumPy, for engines that run a net's body without torch. A feature's arguments and facts are written there
# what packages add to torch's features would import torch here too
NUMPY_FEATURES = Registry("feature", "earmark.engines.features", plugged=False)
DATASETS = Registry("data set", "earmark.data.datasets")
AUGMENTATIONS = Registry("augmentation", "earmark.train.augment")
METRICS = Registry("metric", "earmark.metrics")
EVENT_FORMATS = Registry("event format", "earmark.events.formats")
KINDS = {each.kind: each for each in (NETS, FEATURES, DATASETS, AUGMENTATIONS, METRICS, EVENT_FORMATS)}


def features() -> Registry:
    """The features that can be had here: those of torch, or in NumPy where torch is not installed."""
    return FEATURES if importlib.util.find_spec("torch") else NUMPY_FEATURES
