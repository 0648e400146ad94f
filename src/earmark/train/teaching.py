"""Teachers: taggers whose answers a student learns beside the labels, of the very waves that it hears, mixed and cropped.

Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015. With q a teacher's probabilities, p the student's
and T the temperature, the loss is share · CE(labels, p) + (1 − share) · T² · CE(q^(1/T), p^(1/T)), each power made to sum to one
again; for many tags CE is the binary one and log-odds are divided by T. From probabilities alone this is what dividing logits
by T gives, so that a teacher may be anything that answers: an ensemble, an adopted net, a graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from earmark import recipe as recipes
from earmark.errors import EarmarkError, RecipeError, TaggerError, counted
from earmark.evaluation.vocabulary import Vocabulary
from earmark.models import loading
from earmark.models.anytagger import AnyTagger
from earmark.models.autocast import full_precision
from earmark.models.facts import Base
from earmark.models.prediction import Prediction, loss
from earmark.recipe import Recipe
from earmark.recipe.schema import Distil
from earmark.registry import did_you_mean
from earmark.scores import Task

TINY = (
    1e-6  # the smallest probability that a teacher is taken to mean: a logit of 13.8, beyond which float32 tells little
)
TAGGER = "tagger.safetensors"  # in a run folder


@dataclass(frozen=True)
class Teachers:
    """taggers: whose mean is the teacher's answer; names: as they were given. merge: their tags in other words."""

    taggers: Sequence[AnyTagger]
    names: Sequence[str]
    merge: Vocabulary | None = None

    @staticmethod
    def load(places: Sequence[str | Path], merge: Vocabulary | None, fold: str | None, device: str) -> Teachers:
        """places: taggers, by file or name, or run folders; of a run over folds the tagger of `fold`, which never heard it.

        Raises TaggerError for what is none, EarmarkError for a run that has no such fold.
        """
        if not places:
            raise EarmarkError("a student needs a teacher: name a tagger, an ensemble or a run folder")
        files = [_file(Path(place), str(place), fold) for place in places]
        taggers = [loading.load(file, "cpu" if device == "auto" else device) for file in files]
        return Teachers(taggers, [str(place) for place in places], merge)

    def identities(self) -> list[str]:
        return [tagger.identity() for tagger in self.taggers]

    def bases(self) -> tuple[Base, ...]:
        """What a student knows of clips through them, members of ensembles each for itself."""
        found: list[Base] = []
        for tagger, name in zip(self.taggers, self.names, strict=True):
            for member in tagger.members:
                found += Base.of(member.facts, member.identity(), name, (), taught=True)
        return tuple(dict.fromkeys(found))

    def recipe(self, recipe: Recipe, temperature: float | None = None, share: float | None = None) -> Recipe:
        """The student's, with what it is taught by; None: as the recipe says. Raises RecipeError for values out of range, and for
        other teachers or another merging of tags than the recipe names itself.
        """
        if recipe.distil is not None and (mistakes := self._others(recipe.distil)):
            raise RecipeError(recipe.name, mistakes)
        told = (recipe.distil or Distil()).model_dump() | {"teachers": self.identities()}
        told |= {"merge": self.merge.name, "merge_by": self.merge.rule} if self.merge else {"merge": None}
        told |= {key: value for key, value in (("temperature", temperature), ("share", share)) if value is not None}
        return recipes.parse(recipe.as_dict() | {"distil": told}, recipe.name)

    def _others(self, told: Distil) -> list[str]:
        """What a recipe says of its teachers and their tags, and these are not."""
        here, mistakes = self.identities(), []
        if told.teachers and told.teachers != here:
            mistakes.append(
                f"distil.teachers: the recipe names {', '.join(told.teachers)}, and {', '.join(self.names)} are {', '.join(here)}: name "
                "the recipe's, in their order, or set distil.teachers=[]"
            )
        if told.merge is not None and (self.merge is None or told.merge != self.merge.name):
            given = "no --merge is given" if self.merge is None else f"--merge gives {self.merge.name!r}"
            mistakes.append(
                f"distil.merge: the recipe merges the teachers' tags by {told.merge!r}, and {given}: give that, or set distil.merge=null"
            )
        asked = told.merge_by != Distil().merge_by or told.merge is not None
        if asked and self.merge is not None and told.merge_by != self.merge.rule:
            mistakes.append(
                f"distil.merge_by: the recipe says {told.merge_by}, and the command {self.merge.rule}: give --merge-by {told.merge_by}, or "
                f"set distil.merge_by={self.merge.rule}"
            )
        return mistakes

    def places(self, vocabulary: Sequence[str]) -> list[list[int]]:
        """Of each teacher, where the student's tags are among its own, merged. Raises TaggerError where one is missing."""
        found = []
        for tagger, name in zip(self.taggers, self.names, strict=True):
            own = list(self._names(tagger))
            if missing := [tag for tag in vocabulary if tag not in own]:
                raise TaggerError(
                    f"teacher {name}: does not know {len(missing)} of the student's {counted(len(vocabulary), 'tag')}, such "
                    f"as {missing[0]!r}{did_you_mean(missing[0], own)} Say with --merge which of its tags they are"
                )
            found.append([own.index(tag) for tag in vocabulary])
        return found

    def _names(self, tagger: AnyTagger) -> tuple[str, ...]:
        return tagger.vocabulary if self._merge_of(tagger) is None else tuple(self.merge.names(tagger.vocabulary))  # type: ignore[union-attr]

    def _merge_of(self, tagger: AnyTagger) -> Vocabulary | None:
        """Of those that have tags of the table; others stay as they are."""
        if self.merge is None or not set(tagger.vocabulary) & set(self.merge.mapping):
            return None
        return self.merge

    def merged(self) -> dict[str, str | None] | None:
        """What the table makes of each tag of a teacher that it names; None: left out. None where there is no table."""
        if self.merge is None:
            return None
        known = sorted({tag for tagger in self.taggers for tag in tagger.vocabulary} & set(self.merge.mapping))
        return {tag: self.merge.mapping[tag] for tag in known}

    def answers(self, tagger: AnyTagger, waves: Sequence[NDArray[np.float32]], sample_rate: int) -> NDArray[np.float32]:
        """(waves, its merged tags): what it says of each, as of a recording."""
        merge = self._merge_of(tagger)
        heard = tagger.score(list(waves), sample_rate=sample_rate, workers=1)
        named = heard if merge is None else [merge.scored(each, tagger.vocabulary) for each in heard]
        return np.stack([each.values for each in named])


class Teaching:
    """The teachers of one student. Raises TaggerError where they do not know its tags."""

    def __init__(self, teachers: Teachers, vocabulary: Sequence[str], task: Task, sample_rate: int, how: Distil):
        self.teachers, self.task, self.sample_rate, self.how = teachers, task, sample_rate, how
        self.places = teachers.places(vocabulary)

    def targets(self, waves: Tensor) -> Tensor:
        """Waves (batch, samples) as the student hears them → the teachers' probabilities (batch, tags), softened."""
        heard = [np.asarray(wave, np.float32) for wave in waves.detach().float().cpu().numpy()]
        with torch.no_grad(), full_precision(waves.device):
            told = [
                self.teachers.answers(tagger, heard, self.sample_rate)[:, place]
                for tagger, place in zip(self.teachers.taggers, self.places, strict=True)
            ]
        mean: NDArray[np.float64] = np.stack(told).astype(np.float64).mean(0)
        return torch.from_numpy(softened(mean, self.task, self.how.temperature)).to(waves.device)

    def loss(self, prediction: Prediction, targets: Tensor, soft: Tensor) -> Tensor:
        """targets: of the labels; soft: of the teachers. Both (batch, tags)."""
        value = self.how.share * loss(prediction, targets, self.task) if self.how.share > 0 else 0.0
        return value + (1 - self.how.share) * self.how.temperature**2 * self._soft(prediction, soft)

    def _soft(self, prediction: Prediction, soft: Tensor) -> Tensor:
        levels = prediction.levels.float() / self.how.temperature
        wanted = soft[:, None].expand_as(levels)
        if self.task == "many":
            return F.binary_cross_entropy_with_logits(levels, wanted)
        return -(wanted * levels.log_softmax(-1)).sum(-1).mean()


def softened(values: NDArray[np.float64], task: Task, temperature: float) -> NDArray[np.float32]:
    """Probabilities (batch, tags) → those of logits divided by the temperature.

    Of one tag a clip they sum to one, also where a teacher of many tags gave them: each then counts by its share.

    >>> softened(np.array([[0.8, 0.2]]), "one", 2.0).round(3).tolist()
    [[0.6669999957084656, 0.3330000042915344]]
    >>> softened(np.array([[0.9, 0.5]]), "many", 2.0).round(3).tolist()
    [[0.75, 0.5]]
    """
    bounded = np.clip(values, TINY, 1 - TINY)
    if task == "one":
        powers = bounded ** (1 / temperature)
        return np.asarray(powers / powers.sum(-1, keepdims=True), np.float32)
    odds = (bounded / (1 - bounded)) ** (1 / temperature)
    return np.asarray(odds / (1 + odds), np.float32)


def _file(place: Path, name: str, fold: str | None) -> str | Path:
    if not place.is_dir():
        return name
    over = sorted(place.glob(f"fold-*/{TAGGER}"))
    if not over:
        return place / TAGGER if (place / TAGGER).is_file() else name
    if fold is None:
        raise EarmarkError(
            f"{name}: holds a tagger for each fold: say --fold, so that each student has the one of its own"
        )
    wanted = place / f"fold-{fold}" / TAGGER
    if not wanted.is_file():
        there = ", ".join(file.parent.name.removeprefix("fold-") for file in over)
        raise EarmarkError(f"{name}: has no tagger of fold {fold}, but of {there}")
    return wanted


def check_teachers(recipe: Recipe, teachers: Teachers | None, vocabulary: Sequence[str]) -> None:
    """Raises RecipeError where a recipe is of a student and its teachers are not here, TaggerError where they lack its tags."""
    named = recipe.distil.teachers if recipe.distil else []
    here = teachers.identities() if teachers else []
    if teachers is None and recipe.distil is not None:
        raise RecipeError(
            recipe.name,
            [f"distil: it is taught by {', '.join(named) or 'teachers'}: use `earmark distil TEACHER… --into`"],
        )
    if teachers is not None and (recipe.distil is None or named != here):
        raise RecipeError(recipe.name, [f"distil.teachers: are {named}, and {here} are here"])
    if teachers is not None:
        teachers.places(vocabulary)
