"""Several taggers that answer as one: the ensemble that can be saved, loaded, evaluated and used to tag.

Each member hears a recording at its own sample rate, in its own windows and through its own features; its windows' scores
become its score of the recording by its own recipe, and the members' scores of the recording are combined by the rule
(see `earmark.scores.ensemble.rules`). Members that hear the same windows share the decoding, and only of such members there are
scores window by window. The vocabulary is that of the first member; the others' tags are put in its order.

The file is that of a tagger (`earmark.models.file`): the weights of member N under the prefix `member.N.`, and in the header
the members' recipes, vocabularies and facts, the rule and the weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from earmark import inference as tagging
from earmark.data import sampled
from earmark.data.clipset import ClipSet, natural
from earmark.errors import ScoresError, TaggerError, agreed, counted, kinds
from earmark.models import file as taggerfile
from earmark.models.anytagger import AnyTagger, Member
from earmark.models.facts import PARTS, Facts, Split
from earmark.scores import Task
from earmark.scores.ensemble import Name, Rule, mean, shares
from earmark.scores.ensemble.temperature import checked, tempered
from earmark.scores.plain import few
from earmark.scores.reserved import RESERVED
from earmark.windows import Windows

if TYPE_CHECKING:
    from earmark.recipe import Recipe


class Ensemble(tagging.Answers):
    """Taggers with the same tags and task, in evaluation mode. weights: one a member, in any proportion.

    The rank rule ranks the tags within a recording, since a recording is tagged alone. temperature: of one tag a clip, see
    `earmark.scores.ensemble.temperature`; 1 leaves the mean as it is. facts: see `joined`.
    """

    def __init__(
        self,
        members: Sequence[AnyTagger],
        rule: Name = "arithmetic",
        weights: Sequence[float] | None = None,
        *,
        temperature: float = 1.0,
        facts: Facts | None = None,
    ):
        _check(members)
        self.members: tuple[Member, ...] = tuple(member.members[0] for member in members)
        self.vocabulary: tuple[str, ...] = self.members[0].vocabulary
        self.task: Task = self.members[0].task
        try:
            self.rule = Rule(rule, "tags", self.task)
            self.weights = shares(weights, len(self.members))
            self.temperature = checked(temperature)
            if self.temperature != 1 and (self.task != "one" or rule == "rank"):
                raise ScoresError(
                    f"a temperature is for means of scores of one tag a clip, not of task {self.task}, {rule}"
                )
        except ScoresError as error:
            raise TaggerError(f"an ensemble of {counted(len(self.members), 'tagger')}: {error}") from error
        self._columns = [[member.vocabulary.index(tag) for tag in self.vocabulary] for member in self.members]
        self.facts = joined([member.facts for member in self.members]) if facts is None else facts

    @property
    def sample_rate(self) -> int:
        """The highest of the members' sample rates, Hz."""
        return max(member.sample_rate for member in self.members)

    @property
    def windows(self) -> Windows:
        """The members' windows. Raises TaggerError where they do not hear the same ones."""
        tagging.check_alike(self.members)
        return self.members[0].windows

    @property
    def floor(self) -> float:
        """dBFS: the lowest of the members'."""
        return min(member.floor for member in self.members)

    @property
    def reserved(self) -> tuple[str, ...]:
        """Tags that a member never tells."""
        return tuple(tag for tag in self.vocabulary if any(tag in member.reserved for member in self.members))

    @property
    def engine(self) -> str:
        """What runs the members' nets, in words."""
        return "; ".join(dict.fromkeys(member.engine for member in self.members))

    def every(self, hop: float | str) -> Ensemble:
        """The same members, all in windows `hop` seconds apart. See `earmark.models.tagger.Tagger.every`."""
        other = self.of([member.every(hop) for member in self.members], self.facts)
        other.facts = self.facts.moved(self.identity, other.identity)
        return other

    def of(self, members: Sequence[AnyTagger], facts: Facts) -> Ensemble:
        """Other members, in the same order, that are combined as these are. facts: its own."""
        return Ensemble(members, self.rule.name, self.weights.tolist(), temperature=self.temperature, facts=facts)

    @property
    def alike(self) -> bool:
        """Whether the members hear the same windows, so that there are scores window by window."""
        return tagging.alike(self.members)

    def described_windows(self) -> dict[str, Any]:
        """The settings of the members' windows, as plain values."""
        if self.alike:
            return self.members[0].windows.as_dict()
        return {"members": [member.windows.as_dict() for member in self.members]}

    def framewise(self) -> None:
        """Frames of several nets lie in different places: an ensemble scores whole windows."""
        return None

    @property
    def recipe(self) -> Recipe:
        """What the members' recipes say alike of the data set and its folds: the recipe of one of them.

        One that does not bear shared groups, if there is one. Raises TaggerError where they learnt from other data.
        """
        recipes = [member.recipe for member in self.members]
        data = [(r.data.dataset, r.data.options, r.data.folds, r.data.deal, r.data.folds and r.seed) for r in recipes]
        other = next((i for i, told in enumerate(data) if told != data[0]), None)
        if other is not None:
            raise TaggerError(
                f"members 1 and {other + 1} learnt from other data or other folds ({_told(data[0])}; {_told(data[other])}), "
                "so a fold of one is not a fold of the other: evaluate them one by one, and combine their scores of clips "
                "that both have not seen with `earmark ensemble`"
            )
        return next((recipe for recipe in recipes if recipe.data.shared_groups == "refuse"), recipes[0])

    @property
    def alone(self) -> NoReturn:
        raise TaggerError(
            f"an ensemble of {counted(len(self.members), 'tagger')} has no net of its own: take the file of one of them"
        )

    def trainable(self) -> NoReturn:
        raise TaggerError(
            f"an ensemble of {counted(len(self.members), 'tagger')} has no net of its own to train: train its members one by one, such as "
            "tagger.members[0].trainable(), and put them together again"
        )

    def combine(self, values: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Scores of the same rows by each member, (rows, its tags) → (rows, tags)."""
        own = [value[:, columns] for value, columns in zip(values, self._columns, strict=True)]
        whole = mean(self.rule, own, self.weights)
        return whole if self.temperature == 1 else tempered(whole, self.temperature)

    def score_windows(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
        """Windows (n, samples) → scores (n, tags). Raises TaggerError where the members do not hear the same windows."""
        tagging.check_alike(self.members)
        return self.combine([member.score_windows(waves) for member in self.members])

    def embedder(self) -> NoReturn:
        raise TaggerError(
            f"an ensemble of {counted(len(self.members), 'tagger')} has no embedding: each net has numbers of its own, and "
            "joined the largest would drown the others. Take one of them, tagger.members[0], or the file of one"
        )

    def identity(self) -> str:
        """Twelve hexadecimal digits that change with any member, the rule or a weight."""
        told = {
            "members": [m.identity() for m in self.members],
            "weights": self.weights.tolist(),
            **self.rule.as_dict(),
            **({} if self.temperature == 1 else {"temperature": self.temperature}),
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]

    @kinds.checked
    def save(self, path: str | Path) -> None:
        """Write the ensemble's file; the old one stays whole until the new one is."""
        weights: dict[str, NDArray[Any]] = {}
        members = []
        for number, member in enumerate(self.members):
            own, told = member.stored()
            weights |= {f"member.{number}.{name}": value for name, value in own.items()}
            members.append(told)
        head = {"format": taggerfile.ENSEMBLE, "rule": self.rule.name, "weights": self.weights.tolist()}
        if self.temperature != 1:
            head |= {"temperature": self.temperature, "version": taggerfile.NEWEST}
        head |= {
            "vocabulary": list(self.vocabulary),
            "task": self.task,
            "members": members,
            "facts": self.facts.written(self.identity()),
        }
        taggerfile.write(path, weights, head)


def joined(members: Sequence[Facts]) -> Facts:
    """The facts of an ensemble from those of its members: data, split, versions, precision (where it is one), bases, level, reserved tags.

    It has learnt from every fold that a member was trained on or whose clips chose an epoch, and is tested on those that
    all members are tested on. Of parts that differ only limits of the number of clips are known, since a digest does not
    say which clips they are: at least those of the largest member, at most those of the smallest (test); `counted` says so.
    Figures, thresholds and rules for events are of the members' own scores, and not of those of all: `undecided` tells of them.
    """
    bases = tuple(dict.fromkeys(base for member in members for base in member.bases or ())) or None
    data = next((member.data for member in members if member.data), None)
    versions = next((member.versions for member in members if member.versions), None)
    levels = [member.level for member in members if member.level is not None]
    level = min(levels) if len(levels) == len(members) else None
    never = None
    if any(member.reserved is not None for member in members):
        each = [RESERVED if member.reserved is None else member.reserved for member in members]
        never = tuple(dict.fromkeys(tag for names in each for tag in names))
    precision = members[0].precision if all(each.precision == members[0].precision for each in members) else None
    of_all = Facts(data, None, versions, precision=precision, bases=bases, level=level, reserved=never)
    if not any(member.split for member in members):
        return of_all
    # of a member that tells nothing no fold is known to be clean
    parts = (_together([member.clips(name) for member in members], test=name == "test") for name in PARTS)
    return replace(of_all, split=Split(*parts))


def undecided(members: Mapping[str, Facts]) -> list[str]:
    """A sentence for each kind of decisions that members, by name, were calibrated to and what is made of them is not."""
    kinds = {
        "tags": ("thresholds of tags", "`tag --heard` has none"),
        "events": ("rules for events", "`events` takes 0.5 for every tag"),
    }
    told = []
    for part, (what, then) in kinds.items():
        if names := [name for name, facts in members.items() if getattr(facts, part)]:
            told.append(
                f"{what} that were chosen for the scores of {few(names)} are left out: choose some for the scores of all with "
                f"`earmark calibrate`. Until then {then}"
            )
    return told


def _together(sets: Sequence[ClipSet], *, test: bool) -> ClipSet:
    if len({each.sha256 for each in sets}) == 1 and sets[0] != ClipSet():
        return sets[0]
    folds = [set(each.folds) for each in sets]
    both = set.intersection(*folds) if test else set.union(*folds)
    counts = [each.clips for each in sets]
    count = (min(counts) if both else 0) if test else max(counts)
    digests = "\n".join(sorted({each.sha256 for each in sets}))
    digest = hashlib.sha256(digests.encode()).hexdigest()[:16]
    told = not test and all(each.sample for each in sets)  # of what all were tested on the samples tell too little
    sample = sampled.united(each.sample for each in sets) if told else ""
    return ClipSet(count, tuple(sorted(both, key=natural)), digest, "at most" if test else "at least", sample)


def _told(data: tuple[Any, ...]) -> str:
    dataset, options, folds, deal, seed = data
    more = [f"{key}={value}" for key, value in options.items()]
    more += [f"{counted(folds, 'fold')} dealt, deal: {deal}, with seed {seed}"] if folds else []
    return ", ".join([str(dataset), *more])


def _check(members: Sequence[AnyTagger]) -> None:
    """Raises TaggerError where these cannot answer as one."""
    if len(members) < 2:
        raise TaggerError(f"an ensemble needs two taggers at least, and this has {len(members)}")
    first = members[0]
    for number, member in enumerate(members[1:], 2):
        if member.task != first.task:
            raise TaggerError(
                f"member 1 has the task {first.task!r} and member {number} {member.task!r}: one tag a clip and many cannot "
                "be combined. Take members of one task"
            )
    for number, member in enumerate(members, 1):
        if len(member.members) > 1:
            raise TaggerError(f"member {number} is an ensemble itself: give its members' files instead")
        missing = sorted(set(first.vocabulary) ^ set(member.vocabulary))
        if missing:
            raise TaggerError(
                f"members 1 and {number} know different tags: {len(missing):,} {agreed(len(missing), 'is', 'are')} known to "
                f"one of them only, such as {missing[0]!r}. Take members that were trained with the same tags"
            )
