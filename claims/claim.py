"""A claim as a file: what a paper says, the systems that it is about, and which of them should be better.

statement, paper, where, there   the claim, the paper's number, the place in it, the figures there. A claim of our own has the paper
                                 `own`, no place and no figures: it is about recipes as they are, at their own size
metric                           one of `earmark list metrics`; or event_f1, on events. Of a loss the better system has less
also                             more of them, told of each system without a verdict
data                             see `claims.data.Source`
recipe, settings                 of all systems: a recipe's name and key.path=value over it
small                            more settings where no accelerator is asked for: narrower nets, fewer epochs
seeds or folds                   the trainings of each system: a seed each (3 at least); or every fold in turn
draw                             what intervals and p draw: groups; clips; or, of scenes, sources: those that share the
                                 sound that is named first in them, as all sources together would tie all scenes into one
systems                          by name, see `System`
pairs                            [better, worse] as the paper has it; these comparisons decide
statements                       of a claim that says several things: each with its pairs, all of `pairs` once; each gets
                                 a verdict of its own
limit                            why it cannot be told with these recordings, whatever the size of the trainings
remarks, small_remarks           sentences on what differs from the paper, and what is so of small trainings alone
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from claims.data import Source
from earmark import recipe as recipes
from earmark.errors import EarmarkError
from earmark.recipe import Recipe
from earmark.registry import did_you_mean
from earmark.scores import ensemble

FOLDER = Path(__file__).parent
EVENT_F1 = "event_f1"  # macro, collars of 200 ms, as in paper 003's Table 3
Size = Literal["small", "full"]


class System(BaseModel):
    """A net that is trained, or what is made of others' scores.

    recipe, settings: over the claim's; small: more of them where the size is small. scores: a file in results/ of a run
    that is done, instead of training. taught_by: trained systems whose tagger of the same seed and fold says beside the labels what
    the net should (`earmark.train.teaching`).
    of: systems combined by `rule`, run by run. committee: a system, it may be one `of` others, whose runs answer as one, by
    `rule`. epochs: a system with train.keep=every; the mean over all epochs' scores, by `rule`.
    events: a system whose events are found in a `way`: with 0.5 for all tags (half), with thresholds swept on validation
    clips (swept), with median filters too (medians).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    recipe: str | None = None
    settings: list[str] = Field(default_factory=list)
    small: list[str] = Field(default_factory=list)
    of: list[str] = Field(default_factory=list)
    committee: str | None = None
    epochs: str | None = None
    scores: str | None = None
    taught_by: list[str] = Field(default_factory=list)
    full: str | None = None
    events: str | None = None
    way: Literal["half", "swept", "medians"] | None = None
    rule: ensemble.Name = "arithmetic"

    def sources(self) -> list[str]:
        """The systems that this one is made of; none for one that is trained."""
        return [*self.of, *(name for name in (self.committee, self.epochs, self.events) if name)]


class Claim(BaseModel):
    """See the module's docstring."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    statement: str
    paper: Literal["000", "001", "002", "003", "004", "own"]
    where: str = ""
    there: str = ""
    metric: str
    also: list[str] = Field(default_factory=list)
    data: Source
    recipe: str
    settings: list[str] = Field(default_factory=list)
    small: list[str] = Field(default_factory=list)
    seeds: list[int] = Field(default_factory=lambda: [0])
    folds: Literal["all"] | None = None
    draw: Literal["groups", "clips", "sources"] = "groups"
    systems: dict[str, System]
    pairs: list[tuple[str, str]] = Field(min_length=1)
    statements: dict[str, list[tuple[str, str]]] = Field(default_factory=dict)
    limit: str | None = None
    remarks: list[str] = Field(default_factory=list)
    small_remarks: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _fits(self) -> Claim:
        if self.trained() and self.folds is None and len(set(self.seeds)) < 3:
            raise ValueError(f"seeds are {self.seeds}: give 3 different ones at least, or folds: all")
        if (self.where or self.there) if self.own() else not (self.where and self.there):
            raise ValueError("where and there are what a paper says: a claim of our own has neither, any other both")
        if self.own() and (small := [name for name, each in self.systems.items() if each.small or self.small]):
            raise ValueError(
                f"systems.{small[0]}: small is of a paper's claim: one of our own is about recipes as they are"
            )
        if self.own() and self.small_remarks:
            raise ValueError("small_remarks: are of a paper's claim: one of our own is about recipes as they are")
        if self.metric == EVENT_F1 and self.also:
            raise ValueError(f"also: is of metrics of scores, and {EVENT_F1} is of events")
        for pair in self.pairs:
            self._known(pair, "pairs")
            if pair[0] == pair[1]:
                raise ValueError(f"pairs: {pair[0]!r} is compared with itself")
        told = [pair for pairs in self.statements.values() for pair in pairs]
        if self.statements and sorted(told) != sorted(self.pairs):
            raise ValueError(f"statements: have the pairs {told}; each of {self.pairs} belongs to one of them, once")
        if self.draw == "sources" and not self.data.scenes:
            raise ValueError("draw: sources is of scenes: say groups")
        for name, system in self.systems.items():
            sources = system.sources()
            self._known(sources, f"systems.{name}")
            made = [source for source in sources if self.systems[source].sources() and not self._pooled(name, source)]
            if made:
                raise ValueError(f"systems.{name}: is made of {made[0]!r}, which is made of others itself")
            self._known(system.taught_by, f"systems.{name}")
            trained = self.trained()
            if system.taught_by and name not in trained:
                raise ValueError(f"systems.{name}: is not trained, and taught_by is of what is")
            if lone := [each for each in system.taught_by if each not in trained or self.systems[each].taught_by]:
                raise ValueError(f"systems.{name}: {lone[0]!r} does not learn from labels alone, and cannot teach")
            if (system.events is None) != (system.way is None):
                raise ValueError(f"systems.{name}: events and way belong together")
        for name in {name for pair in self.pairs for name in pair}:
            if (self.systems[name].way is None) == (self.metric == EVENT_F1):
                raise ValueError(f"systems.{name}: the metric {EVENT_F1} is of systems with a way, and only it")
        return self

    def _known(self, names: Any, where: str) -> None:
        for name in names:
            if name not in self.systems:
                raise ValueError(f"{where}: there is no system {name!r}{did_you_mean(name, self.systems)}")

    def own(self) -> bool:
        """Whether it is no paper's."""
        return self.paper == "own"

    def sized(self, size: Size) -> Size:
        """The size that its trainings have where this one is asked for."""
        return "full" if self.own() else size

    def learnt_by(self, name: str) -> list[str]:
        """The trained systems that a system is made of; itself where it is one."""
        sources = self.systems[name].sources()
        return [each for source in sources for each in self.learnt_by(source)] or [name]

    def _pooled(self, name: str, source: str) -> bool:
        """Whether a system is the committee of one that is made of trained ones."""
        of = self.systems[source].of
        return (
            self.systems[name].committee == source and bool(of) and not any(self.systems[each].sources() for each in of)
        )

    def recipe_of(self, name: str, size: Size, seed: int) -> Recipe:
        """The recipe of a system that is trained. Raises RecipeError."""
        system = self.systems[name]
        small = [*self.small, *system.small] if size == "small" else []
        return recipes.load(system.recipe or self.recipe, [*self.settings, *system.settings, *small, f"seed={seed}"])

    def trained(self) -> list[str]:
        """The names of the systems that are trained."""
        return [name for name, system in self.systems.items() if not system.sources() and not system.scores]


def load(file: Path) -> Claim:
    """Raises EarmarkError with all mistakes."""
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise EarmarkError(f"{file}: is no YAML: {error}") from error
    if not isinstance(raw, dict):
        raise EarmarkError(f"{file}: holds no keys and values, as a claim has to: see claims/claim.py")
    try:
        return Claim(id=file.stem, **raw)
    except (ValidationError, TypeError) as error:
        raise EarmarkError(f"{file}: {_told(error)}") from error


def shipped(folder: Path = FOLDER) -> dict[str, Path]:
    """The claims' files, by id."""
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def _told(error: ValidationError | TypeError) -> str:
    if isinstance(error, TypeError):
        return str(error)
    told = [(".".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, ")) for each in error.errors()]
    return "; ".join(f"{where}: {what}" if where else what for where, what in told)
