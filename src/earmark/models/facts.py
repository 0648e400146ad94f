"""What a tagger file tells of how it was made and judged: frozen types, read and written here alone.

    Facts
    ├── data        DataSet     the data set that it learnt from, with what its manifest tells
    ├── split       Split       which clips trained it, chose its epoch, test it
    ├── versions                of the packages that trained it, by name
    ├── phase                   of the recipe, where it has some
    ├── precision   Computed    in which its training computed, by phase; None: of an earlier version, or not trained here
    ├── validation              figures on the clips that chose the epoch, by name
    ├── chosen      Epoch       which epoch was kept, and why
    ├── soup        Soup        the taggers of whose weights these are the mean
    ├── bases       Base, …     the taggers that it has weights of from before it was trained, and what they learnt from
    ├── head        Head        its last layers, where they were learnt apart from the net, and what chose how
    ├── adopted     Origin      the file of others that its weights were taken from
    ├── events      EventTuning rules for events, and what they were chosen on
    ├── tags        TagTuning   thresholds of tags, and what they were chosen on
    ├── level                   dBFS of the quietest clips that it learnt from: a hundredth of them are quieter
    ├── reserved                tags that are learnt and never told; None: those of `earmark.scores.reserved`
    ├── test        Tested      figures on clips that it was tested on
    └── alarms      Alarms, …   events that it told of recordings without its sounds

Figures and what was chosen by some are of one tagger, with its weights and its windows. `Facts.of` remembers which, and where
another one is written, trained on from there or in other windows, they are left out: see `Facts.own`. Rules and thresholds, on which
answers depend, are so at once where the windows are others, so that a tagger answers as its file will: see `Facts.moved`.

In the file they are the JSON of today and of earlier versions: an absent part is an absent key, and keys that are not
known here are kept as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from earmark.data.clipset import ClipSet
from earmark.errors import EarmarkError, ScoresError, TaggerError, agreed, counted
from earmark.events.rules import EventRules
from earmark.files.notation import finite
from earmark.models.computedfacts import Computed
from earmark.models.headfacts import Head
from earmark.models.origin import Origin
from earmark.models.plainfacts import Plain, known, names
from earmark.models.testfacts import Alarms, Tested
from earmark.models.tuningfacts import ChosenOn, EventTuning, TagTuning
from earmark.registry import did_you_mean

if TYPE_CHECKING:
    from earmark.data.splits import Parts  # and with it what reads tables, which facts do not need

Read = TypeVar("Read")
__all__ = [
    "PARTS",
    "READERS",
    "Alarms",
    "Base",
    "ChosenOn",
    "DataSet",
    "Epoch",
    "EventTuning",
    "Facts",
    "Soup",
    "Split",
    "TagTuning",
    "Tested",
]  # fmt: skip
PARTS = ("train", "validation", "test")
# what holds for a tagger with these weights in these windows alone, and how people call it
FIGURES = {
    "validation": "figures of validation",
    "chosen": "the choice of an epoch",
    "soup": "of which taggers its weights are the mean",
    "events": "rules for events",
    "tags": "thresholds",
    "test": "test figures",
    "alarms": "false alarms",
    "windows": "the choice of windows",
}
log = logging.getLogger("earmark")


@dataclass(frozen=True)
class DataSet:
    """name: of the layout, or None. more: what the manifest tells of it, plain JSON values."""

    name: str | None = None
    more: Plain = field(default_factory=dict)

    @staticmethod
    def read(plain: Plain) -> DataSet:
        name = plain.get("dataset")
        return DataSet(None if name is None else str(name), {k: v for k, v in plain.items() if k != "dataset"})

    def as_dict(self) -> dict[str, Any]:
        return {"dataset": self.name, **self.more}


@dataclass(frozen=True)
class Split:
    """The clips that trained it, that chose its epoch, and that it may be tested on; None: not told."""

    train: ClipSet | None = None
    validation: ClipSet | None = None
    test: ClipSet | None = None

    @staticmethod
    def read(plain: Plain) -> Split:
        return Split(*(ClipSet.read(plain[name]) if name in plain else None for name in PARTS))

    @staticmethod
    def of(parts: Parts, sounds: Mapping[str, str] | None = None) -> Split:
        """sounds: samples of the sounds of train and validation, where they are known."""
        told = sounds or {}
        return Split(*(replace(parts.sets[name], sounds=told.get(name, "")) for name in PARTS))

    def parts(self) -> dict[str, ClipSet]:
        """Those that are told, by name."""
        return {name: clips for name in PARTS if (clips := getattr(self, name)) is not None}

    def as_dict(self) -> dict[str, Any]:
        return {name: clips.as_facts() for name, clips in self.parts().items()}


@dataclass(frozen=True)
class Epoch:
    """Epoch `number`, counted from 1, of `of`; by: what chose it, in words; None: not told."""

    number: int
    of: int | None = None
    by: str | None = None

    @staticmethod
    def read(plain: Plain) -> Epoch:
        return Epoch(plain["epoch"], plain.get("of"), plain.get("by"))

    def as_dict(self) -> dict[str, Any]:
        return known({"epoch": self.number, "of": self.of, "by": self.by})


@dataclass(frozen=True)
class Soup:
    """taggers: their identities. weights: of each in the mean."""

    taggers: tuple[str, ...]
    weights: tuple[float, ...]

    @staticmethod
    def read(plain: Plain) -> Soup:
        return Soup(tuple(plain["taggers"]), tuple(plain["weights"]))

    def as_dict(self) -> dict[str, Any]:
        return {"taggers": list(self.taggers), "weights": list(self.weights)}


@dataclass(frozen=True)
class Base:
    """A tagger of which another has weights, and so what that one knows of clips.

    tagger: its identity. source: as it was named; parts: of it that were taken. data: the name of the data set that it
    learnt from; train, validation: which clips; None: not told. same: whether they are known to be of the data set that
    the other's own split is of. taught: whether it was its teacher, and gave no weights. origin: of weights that others trained.
    """

    tagger: str
    source: str
    parts: tuple[str, ...] = ()
    data: str | None = None
    train: ClipSet | None = None
    validation: ClipSet | None = None
    same: bool = False
    taught: bool = False
    origin: Origin | None = None

    @staticmethod
    def of(facts: Facts, tagger: str, source: str, parts: Sequence[str], *, taught: bool = False) -> tuple[Base, ...]:
        """A tagger as a base, and its own bases: it passes on what it has from them."""
        split = facts.split or Split()
        base = Base(
            tagger, source, tuple(parts), facts.dataset, split.train, split.validation, taught=taught, origin=facts.adopted
        )  # fmt: skip
        return (base, *(replace(each, same=False) for each in facts.bases or ()))

    @staticmethod
    def read(plain: Plain) -> Base:
        train, validation = (ClipSet.read(plain[name]) if plain.get(name) else None for name in PARTS[:2])
        parts = names(plain.get("parts")) or ()
        data = None if plain.get("data") is None else str(plain["data"])
        origin = Origin.read(plain["adopted"]) if plain.get("adopted") else None
        flags = bool(plain.get("same")), bool(plain.get("taught"))
        return Base(str(plain["tagger"]), str(plain["source"]), parts, data, train, validation, *flags, origin)

    def as_dict(self) -> dict[str, Any]:
        return known({
            "tagger": self.tagger,
            "source": self.source,
            "parts": list(self.parts),
            "data": self.data,
            "train": None if self.train is None else self.train.as_dict() | _sounds(self.train),
            "validation": None if self.validation is None else self.validation.as_dict() | _sounds(self.validation),
            "same": self.same or None,
            "taught": self.taught or None,
            "adopted": None if self.origin is None else self.origin.as_dict(),
        })  # fmt: skip

    def words(self) -> str:
        """For people: which tagger, what of it, and what it learnt from."""
        parts = f" ({', '.join(self.parts)})" if self.parts else ""
        if self.origin is not None:
            return f"{self.source}{parts}, {self.origin.words()}"
        if self.train is None:
            return f"{self.source}{parts}, whose file does not tell which clips it learnt from"
        sets = [clips for clips in (self.train, self.validation) if clips is not None and clips.clips]
        folds = sorted({fold for clips in sets for fold in clips.folds})
        clips = " ".join(filter(None, [self.train.counted, counted(sum(clips.clips for clips in sets), "clip")]))
        return f"{self.source}{parts}, which learnt from {clips} of {self.data}" + (
            f", {agreed(len(folds), 'fold', 'folds')} {', '.join(folds)}" if folds else ""
        )


@dataclass(frozen=True)
class Facts:
    """See the module's docstring. more: keys of the file that are not known here, as they are.

    of: the identity of the tagger that its figures are of; None: of the one that has these facts. No file holds it: what a file
    tells is of the tagger in it. aside: these of the tagger in the windows that its rules and thresholds were chosen in, where they are
    left out here.
    """

    data: DataSet | None = None
    split: Split | None = None
    versions: Mapping[str, str] | None = None
    phase: str | None = None
    precision: Computed | None = None
    validation: Mapping[str, float | None] | None = None
    chosen: Epoch | None = None
    soup: Soup | None = None
    bases: tuple[Base, ...] | None = None
    head: Head | None = None
    adopted: Origin | None = None
    events: EventTuning | None = None
    tags: TagTuning | None = None
    test: Tested | None = None
    alarms: tuple[Alarms, ...] | None = None
    level: float | None = None
    reserved: tuple[str, ...] | None = None
    more: Plain = field(default_factory=dict)
    of: str | None = field(default=None, compare=False)
    aside: Facts | None = field(default=None, compare=False, repr=False)

    @staticmethod
    def read(plain: object, place: str = "the tagger") -> Facts:
        """What a file's `facts` say. place: of the file, for the error. Raises TaggerError where they are something else."""
        if not isinstance(plain, Mapping):
            raise TaggerError(
                f"{place}: its facts are {type(plain).__name__}, not an object of JSON: altered or damaged"
            )
        read = {name: _part(plain, name, reader, place) for name, reader in READERS.items()}
        return Facts(**read, more=_others(plain, *READERS))

    def as_dict(self) -> dict[str, Any]:
        """As the file tells them."""
        told: dict[str, Any] = {}
        for name in READERS:
            value = getattr(self, name)
            if value is not None:
                told[name] = value.as_dict() if hasattr(value, "as_dict") else value
        if self.validation is not None:
            told["validation"] = finite(self.validation)
        if self.reserved is not None:
            told["reserved"] = list(self.reserved)
        if self.bases is not None:
            told["bases"] = [base.as_dict() for base in self.bases]
        if self.alarms is not None:
            told["alarms"] = [each.as_dict() for each in self.alarms]
        return told | dict(self.more)

    def thresholds(self, tags: Sequence[str]) -> NDArray[np.float64] | None:
        """(tags,): the thresholds that the file tells, None where it tells none. Raises ScoresError where one lacks."""
        known = self.tags.thresholds if self.tags else None
        if not known:
            return None
        if missing := [tag for tag in tags if tag not in known]:
            raise ScoresError(
                f"the tagger's thresholds lack {len(missing)} of its {counted(len(tags), 'tag')}, first: {missing[0]!r}"
                f"{did_you_mean(missing[0], known)} Choose them anew with earmark calibrate"
            )
        return np.array([known[tag] for tag in tags], float)

    @property
    def rules(self) -> EventRules | None:
        """The rules for events that were chosen."""
        return self.events.rules if self.events else None

    @property
    def dataset(self) -> str | None:
        """The name of the data set that it learnt from."""
        return None if self.data is None else self.data.name

    def retuned(self, events: EventTuning | None = None, tags: TagTuning | None = None) -> Facts:
        """With other rules for events, or other thresholds for tags. False alarms that were counted by other rules of its own go."""
        told = replace(self, events=events or self.events, tags=tags or self.tags)
        if told.rules == self.rules:
            return told
        kept = tuple(each for each in self.alarms or () if not each.of_own_rules())
        return replace(told, alarms=kept or None)

    def figures(self) -> tuple[str, ...]:
        """Which of `FIGURES` it has."""
        return tuple(name for name in FIGURES if getattr(self, name, None) or self.more.get(name))

    def measured(self, identity: Callable[[], str]) -> Facts:
        """With a note of the tagger that they are of, where they have none yet: before a copy of it goes other ways.

        identity: of the tagger that has these facts; it is asked for only where there is something to note, since all weights are
        read for it.
        """
        return self if self.of is not None or not (self.figures() or self.head) else replace(self, of=identity())

    def moved(self, identity: Callable[[], str], other: Callable[[], str]) -> Facts:
        """Those of the same tagger in other windows: without rules and thresholds, which come back in the windows that they are of.

        identity: of the tagger that has these facts; other: of the one in other windows. Both are asked for as by `measured`.
        """
        told = self.measured(identity)
        chosen = [each for each in told._before() if each.events or each.tags]
        if not chosen:
            return told
        new = other()
        if (known := next((each for each in chosen if each.of == new), None)) is not None:
            return known
        return replace(told, events=None, tags=None, aside=told) if told.events or told.tags else told

    @property
    def lacking(self) -> tuple[str, ...]:
        """What answers do not go by here, since it was chosen in other windows: rules for events, thresholds."""
        before = [each for each in self._before() if each is not self]
        rules = self.rules is None and any(each.rules for each in before)
        limits = not (self.tags and self.tags.thresholds) and any(each.tags and each.tags.thresholds for each in before)
        return tuple(FIGURES[name] for name, lacks in (("events", rules), ("tags", limits)) if lacks)

    def _before(self) -> Iterator[Facts]:
        """Itself, and those of the windows that it was in before."""
        told: Facts | None = self
        while told is not None:
            yield told
            told = told.aside

    def own(self, identity: str) -> Facts:
        """What of it holds for the tagger with this identity; of another the figures go, and what it learnt from stays."""
        if self.of is None or self.of == identity:
            return replace(self, of=identity)
        told: dict[str, Any] = {name: None for name in FIGURES if name in READERS}
        more = {key: value for key, value in self.more.items() if key not in FIGURES}
        head = None if self.head is None else self.head.without_figures()
        return replace(self, **told, head=head, more=more, of=identity)

    def written(self, identity: str) -> dict[str, Any]:
        """As the file of the tagger with this identity tells them. What is left out goes to the log."""
        own = self.own(identity)
        others = [] if self.of == identity else self._before()
        had = {name for each in others for name in each.figures()}
        if gone := [told for name, told in FIGURES.items() if name in had and name not in own.figures()]:
            log.warning(
                "left out of the file: %s. They are of the tagger %s, and this one, %s, has other weights or windows. Calibrate and "
                "evaluate it anew",
                ", ".join(gone), self.of, identity,
            )  # fmt: skip
        return own.as_dict()

    def clips(self, part: str) -> ClipSet:
        """Those of a part of the split; none where it is not told."""
        return (self.split or Split()).parts().get(part, ClipSet())


def _mapping(plain: Plain) -> dict[str, Any]:
    return dict(plain)


READERS: dict[str, Callable[[Any], Any]] = {
    "data": DataSet.read,
    "split": Split.read,
    "versions": _mapping,
    "phase": str,
    "precision": Computed.read,
    "validation": lambda plain: finite(dict(plain)),  # files of before tell NaN of what had no value
    "chosen": Epoch.read,
    "soup": Soup.read,
    "bases": lambda plain: tuple(Base.read(each) for each in plain) or None,
    "head": Head.read,
    "adopted": Origin.read,
    "events": EventTuning.read,
    "tags": TagTuning.read,
    "test": Tested.read,
    "alarms": lambda plain: tuple(Alarms.read(each) for each in plain) or None,
    "level": float,
    "reserved": lambda plain: names(plain),
}


def _part(plain: Plain, name: str, reader: Callable[[Any], Read], place: str) -> Read | None:
    if plain.get(name) is None:
        return None
    try:
        return reader(plain[name])
    except EarmarkError as error:
        raise TaggerError(f"{place}: its {name!r} cannot be used ({error}): altered or damaged") from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise TaggerError(
            f"{place}: its {name!r} is not what a tagger file tells ({type(error).__name__}: {error}): altered or damaged"
        ) from error


def _sounds(clips: ClipSet) -> dict[str, Any]:
    return {"sounds": clips.sounds} if clips.sounds else {}


def _others(plain: Plain, *known: str) -> dict[str, Any]:
    return {key: value for key, value in plain.items() if key not in known}
