"""Taggers → one: an ensemble that scores with all of them, or a net with the mean of their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.data import splits
from earmark.data.manifest import Manifest
from earmark.data.splits import ClipSet
from earmark.errors import EarmarkError, counted
from earmark.evaluation.heldout import clips_of
from earmark.evaluation.members import names_of, summary
from earmark.models import averaging, boxed, loading
from earmark.models.anytagger import AnyTagger
from earmark.models.ensemble import Ensemble, undecided
from earmark.models.file import read_head
from earmark.models.tagger import Tagger
from earmark.progress import QUIET, Progress
from earmark.scores.ensemble import Name
from earmark.train.loader import Waves, validation_batches

BATCH = 32  # windows


@dataclass(frozen=True, eq=False)
class Joined:
    """tagger: of all members. weights: their shares. averaged: one net with the mean of their weights, no ensemble."""

    tagger: Any
    names: tuple[str, ...]
    rule: Name
    weights: tuple[float, ...]
    averaged: bool

    @property
    def summary(self) -> str:
        what = "weights" if self.averaged else ""
        return f"{counted(len(self.tagger.vocabulary), 'tag')}; {summary(self.rule, self.weights, self.names, what)}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        facts = {"rule": self.rule, "weights": list(self.weights), "tagger": self.tagger.identity()}
        warm = getattr(self.tagger, "temperature", 1.0)
        facts |= {} if warm == 1 else {"temperature": warm}
        return {**facts, "mean weights": self.averaged, "summary": self.summary}


def join(
    files: Sequence[Path],
    rule: Name = "arithmetic",
    weights: Sequence[float] | None = None,
    *,
    temperature: float = 1.0,
    progress: Progress = QUIET,
) -> Joined:
    """An ensemble of the taggers in these files. weights: one a member, in any proportion. Raises TaggerError.

    temperature: of the mean, as it was chosen on scores of validation clips (`earmark.evaluation.ensembles.combine`).
    """
    members, names = [_member(file) for file in files], names_of(files)
    ensemble = Ensemble(members, rule, weights, temperature=temperature)
    _say_undecided(members, names, progress)
    if not ensemble.alike:
        progress.say("the members hear different windows: the ensemble scores whole recordings, not window by window")
    return Joined(ensemble, tuple(names), rule, tuple(ensemble.weights.tolist()), False)


def _say_undecided(members: Sequence[AnyTagger], names: Sequence[str], progress: Progress) -> None:
    for line in undecided({name: member.facts for name, member in zip(names, members, strict=True)}):
        progress.say(line)


def _member(file: Path) -> AnyTagger:
    """In PyTorch, where its net can be."""
    return loading.load(file, engine="auto" if boxed.is_box(read_head(file)) else "torch")


def average(
    files: Sequence[Path],
    weights: Sequence[float] | None = None,
    *,
    data: str | Path | Manifest | None = None,
    dataset: str | None = None,
    progress: Progress = QUIET,
) -> Joined:
    """One net with the mean of the weights of taggers that were trained in one run (`earmark.models.averaging`).

    data: the clips that they learnt from, on which running statistics are measured anew; without it these are averaged
    like weights. Raises TaggerError, and EarmarkError for other clips.
    """
    members, names = [loading.load(file, engine="torch") for file in files], names_of(files)
    averaged = averaging.average(members, weights)
    _say_undecided(members, names, progress)
    if data is None:
        progress.say("running statistics are averaged like weights; with --data they are measured anew")
    else:
        _renew(averaged, data, dataset, progress)
    progress.say("nets that were not trained in one run have no useful mean of weights")
    weights = averaged.facts.soup.weights if averaged.facts.soup else ()
    return Joined(averaged, tuple(names), "arithmetic", weights, True)


def _renew(averaged: Tagger, data: str | Path | Manifest, dataset: str | None, progress: Progress) -> None:
    """Measure the running statistics on the windows of the clips that the members learnt from."""
    asked = averaged.recipe.data
    parts = splits.divide(
        clips_of(averaged, data, dataset or asked.dataset), asked.test, asked.validation, asked.train,
        seed=averaged.recipe.seed, bear_shared_groups=True,
    )  # fmt: skip
    trained_on = averaged.facts.clips("train")
    if ClipSet.of(parts.train).sha256 != trained_on.sha256:
        folds = ", ".join(trained_on.folds) or "none that the files tell"
        where = "the manifest" if isinstance(data, Manifest) else data
        raise EarmarkError(
            f"{where}: running statistics are measured on the clips that the taggers learnt from ({trained_on.clips}, "
            f"folds {folds}), and these are others. Give the data set of their training, or leave --data out"
        )
    waves = Waves(parts.train, averaged.sample_rate)
    for row, error in waves.failures:
        progress.say(f"left out: {parts.train.ids[row]}: {error}")
    # a window alone has no variance to measure
    averaging.renew(averaged, (cut for cut, _ in validation_batches(waves, averaged.windows, BATCH) if len(cut) > 1))
    progress.say(f"running statistics measured anew on {counted(len(waves.readable), 'clip')}")
