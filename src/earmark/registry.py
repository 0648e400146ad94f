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
import reprlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from earmark import plugins
from earmark.errors import EarmarkError, ScoresError, UnknownName

if TYPE_CHECKING:
    import numpy as np

# what the functions of an augmentation are given, by its stage, in the order in which stages work
AUGMENTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "clip": {"draw": ("generator", "wave", "length"), "apply": ("plan", "wave")},
    "pair": {"draw": ("generator", "row", "pool"), "apply": ("plan", "waves", "targets")},
    "batch": {"draw": ("generator", "targets"), "apply": ("plan", "waves", "targets")},
    "maps": {"draw": ("generator", "shape", "targets"), "apply": ("plan", "maps", "targets")},
}
STAGES = tuple(AUGMENTS)
INSTALL_TORCH = "pip install 'earmark[train]'"
Function = TypeVar("Function", bound=Callable[..., Any])
Array = TypeVar("Array", bound="np.ndarray[Any, Any]")


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
    def place(self) -> str:
        """The file or package that it is from; of what is no plug-in its module."""
        return self.plugin.place if self.plugin else self.function.__module__

    @property
    def told(self) -> str:
        """What messages call it: "the metric 'worst' of mine.py"."""
        return f"the {self.kind} {self.name!r}" + ("" if self.own else f" of {self.place}")

    @contextmanager
    def at_work(
        self, doing: str, kind: type[EarmarkError] = EarmarkError, through: type[Exception] = EarmarkError
    ) -> Iterator[None]:
        """What a plug-in raises within comes out as an error of this kind that names it, what it does, and its line.

        An EarmarkError goes through, and so does one of the kind `through`. So does what earmark's own raise: that is a mistake of
        earmark's, and its traceback is for whoever mends it.
        """
        try:
            yield
        except (EarmarkError, through):
            raise
        except Exception as error:
            if self.own:
                raise
            what = f"{type(error).__name__}: {error}".rstrip(": ")
            raise kind(f"{self.told}: its {doing} fails{self.line(error)}: {what}{_way_out(error)}") from error

    def line(self, error: Exception) -> str:
        """' (line 3)': the last line of its own module that led to an error; '' where none did."""
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
        return ". What it is given is not its own: make a new array, as `x * 0.5` does, in place of `x *= 0.5`"
    return ""


def _place(function: Callable[..., Any]) -> str:
    plugin = plugins.of(function.__module__)
    return f"{plugin.place if plugin else function.__module__}.{function.__qualname__}"


def _lines(function: Callable[..., Any]) -> tuple[str, int] | None:
    """(file, line) of a function, or of the first one of a class; None where it cannot be told."""
    held: list[Any] = list(vars(function).values()) if inspect.isclass(function) else [function]
    codes = [code for each in held if (code := getattr(inspect.unwrap(each), "__code__", None)) is not None]
    return min(((code.co_filename, code.co_firstlineno) for code in codes), key=lambda found: found[1], default=None)


def _check_alone(
    kind: str, key: str, other: Entry, function: Callable[..., Any], plugin: plugins.Plugin | None
) -> None:
    """Raises EarmarkError for a second function of a name. A module that is imported again registers the same ones again."""
    before, now = _lines(other.function), _lines(function)
    # a file that is loaded anew was forgotten before; of a module that is, each function stands where it stood
    again = before is None or now is None or before[0] != now[0] or before[1] == now[1]
    if _place(other.function) != _place(function):
        told = f"{_place(other.function)} and {_place(function)}"
    elif (plugin is not None and plugin.sha256 and other.plugin is plugin) or not again:
        lines = f", on lines {before[1]} and {now[1]}" if before and now else ""
        told = f"both {_place(function)}{lines}"
    else:
        return
    raise EarmarkError(f"two {kind}s are called {key!r}: {told}. Rename one of them")


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether it can be called with so many arguments by their places."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # of what is not written in Python nobody can tell
        return True
    return True


def _method(owner: object, name: str, gives: tuple[str, ...]) -> str:
    """What is wrong with a method of a class, or of an object; '' where nothing is."""
    method = getattr(owner, name, None)
    wanted = f"function `{name}` of ({', '.join(gives)})"
    if not callable(method):
        return f"has no {wanted}"
    bound = not inspect.isclass(owner) or isinstance(inspect.getattr_static(owner, name), staticmethod | classmethod)
    if _takes(method, len(gives) + (not bound)):
        return ""
    return f"is to have a {wanted}, and its own takes {inspect.signature(method)}"


def check_augmentation(stage: str, owner: object) -> str:
    """What a class, or what a function made, lacks to be an augmentation of a stage; '' where nothing is."""
    return next((wrong for name, gives in AUGMENTS[stage].items() if (wrong := _method(owner, name, gives))), "")


def _augmentation(entry: Entry) -> str:
    stage = entry.facts.get("stage")
    if stage not in STAGES:
        told = "is registered without a stage" if stage is None else f"is registered with the stage {stage!r}"
        return f"{told}: AUGMENTATIONS.register({entry.name!r}, stage=…) takes one of {', '.join(STAGES)}"
    return check_augmentation(stage, entry.function) if inspect.isclass(entry.function) else ""


def _metric(entry: Entry) -> str:
    tasks = entry.facts.get("tasks")
    if isinstance(tasks, str) or not tasks or not set(tasks) <= {"one", "many"}:
        told = "without tasks" if tasks is None else f"with the tasks {tasks!r}"
        return (
            f'is registered {told}: METRICS.register({entry.name!r}, tasks=("one", "many")) says whether it is for clips of one '
            "tag, of many, or both"
        )
    if not _takes(entry.function, 2):
        return f"is a function of values and truth, and takes {inspect.signature(entry.function)}"
    return (
        "" if callable(entry.facts.get("weighted", _metric)) else "is registered with a `weighted` that is no function"
    )


def _net(entry: Entry) -> str:
    hears, takes = entry.facts.get("input"), entry.arguments()
    if hears not in ("waves", "maps", "both"):
        return f"is registered with the input {hears!r}: @net(…, input=…) takes one of waves, maps, both"
    needed = ["tags"] if hears == "waves" else ["tags", "channels", "bands"]
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in takes.values()):
        return ""
    missing = [name for name in needed if name not in takes]
    return f"has no argument {' nor '.join(missing)}, which the tagger fills in" if missing else ""


def _feature(entry: Entry) -> str:
    return "" if entry.arguments() else "has no arguments: the tagger gives it the sample rate first"


def _data_set(entry: Entry) -> str:
    return "" if entry.arguments() else "has no arguments: it is given the folder, `root`"


def _event_format(entry: Entry) -> str:
    end = entry.facts.get("ending")
    if not isinstance(end, str) or not end.startswith("."):
        return f"is registered with the ending {end!r}: @event_format(ending=…) of earmark.events.formats takes one such as '.csv'"
    text = ("events", "highest", "more") if entry.facts.get("more") else ("events", "highest")
    return _method(entry.function, "text", text) or _method(entry.function, "read", ("text", "recording"))


def fixed(array: Array) -> Array:
    """The same array, which cannot be written to through this one."""
    view: Any = array.view()
    view.flags.writeable = False
    if hasattr(view, "unshare_mask"):  # of a masked array, whose mask is an array of its own
        view.unshare_mask()
    return cast(Array, view)


def _is_number(value: Any) -> bool:
    """Whether it is a real number; a text that reads as one, and what is true or false, are none."""
    kind = getattr(getattr(value, "dtype", None), "kind", "f")  # of arrays and numbers of NumPy
    if isinstance(value, str | bytes | bytearray | bool) or kind not in "iuf":
        return False
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _guarded_metric(entry: Entry) -> Entry:
    """A metric of elsewhere: what it is given cannot be written to, and what it gives is a number. Raises ScoresError."""

    @functools.wraps(entry.function)
    def measured(values: Any, truth: Any) -> Any:
        with entry.at_work("function", ScoresError):
            value = entry.function(fixed(values), fixed(truth))
        if not _is_number(value):
            told = f"gives {reprlib.repr(value)}, which is no number: its function, of {entry.place}, is to return one"
            raise ScoresError(f"the metric {entry.name!r} {told}")
        return value

    by_weight: Any = entry.facts.get("weighted")

    def weighted(draw: Any) -> Any:
        with entry.at_work("weighted", ScoresError):
            return by_weight(draw)

    return replace(entry, function=measured, facts=entry.facts | ({"weighted": weighted} if by_weight else {}))


class Registry:
    """The functions of one kind. home: the module or package that holds them, imported on first use.

    plugged: whether packages that are installed may add some. contract: what is wrong with one that is registered, or ''.
    guard: what stands for one that is not earmark's own.

    >>> "esc" in DATASETS
    True
    >>> list(DATASETS["esc"].arguments())
    ['root', 'subset']
    """

    def __init__(
        self,
        kind: str,
        home: str,
        plugged: bool = True,
        contract: Callable[[Entry], str] = lambda entry: "",
        guard: Callable[[Entry], Entry] = lambda entry: entry,
    ):
        self.kind = kind
        self.contract, self.guard = contract, guard
        self.plugged = plugged
        self.home = home
        self._entries: dict[str, Entry] = {}
        self._imported = False

    def register(self, name: str | None = None, **facts: Any) -> Callable[[Function], Function]:
        """Decorator: registers a function or class under `name` (default: its own name).

        Raises EarmarkError for a name that is taken, and for what lacks something that all of its kind have.
        """

        def add(function: Function) -> Function:
            key = name or function.__name__
            plugin = plugins.of(function.__module__)
            if plugin is not None:
                self._find()  # so that a name of earmark's own that it takes is told here
            other = self._entries.get(key)
            if other is not None:
                _check_alone(self.kind, key, other, function, plugin)
            entry = Entry(key, function, facts, plugin, self.kind)
            if wrong := self.contract(entry):
                # of a file that is a plug-in whoever runs it tells the path
                raise EarmarkError(f"{f'the {self.kind} {key!r}' if plugin and plugin.sha256 else entry.told} {wrong}")
            self._entries[key] = entry if entry.own else self.guard(entry)
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


NETS = Registry("net", "earmark.models.nets", contract=_net)
FEATURES = Registry("feature", "earmark.models.features", contract=_feature)
# The same in NumPy, for engines that run a net's body without torch. A feature's arguments and facts are written there
# what packages add to torch's features would import torch here too
NUMPY_FEATURES = Registry("feature", "earmark.engines.features", plugged=False, contract=_feature)
DATASETS = Registry("data set", "earmark.data.datasets", contract=_data_set)
AUGMENTATIONS = Registry("augmentation", "earmark.train.augment", contract=_augmentation)
METRICS = Registry("metric", "earmark.metrics", contract=_metric, guard=_guarded_metric)
EVENT_FORMATS = Registry("event format", "earmark.events.formats", contract=_event_format)
KINDS = {each.kind: each for each in (NETS, FEATURES, DATASETS, AUGMENTATIONS, METRICS, EVENT_FORMATS)}


def features() -> Registry:
    """The features that can be had here: those of torch, or in NumPy where torch is not installed."""
    return FEATURES if importlib.util.find_spec("torch") else NUMPY_FEATURES
