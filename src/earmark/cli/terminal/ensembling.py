"""What `earmark ensemble` was asked for, whether it fits together, and what is printed of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from earmark.cli.terminal.bar import Bar
from earmark.cli.terminal.console import print_json, print_table, say
from earmark.errors import EarmarkError

if TYPE_CHECKING:
    from earmark.evaluation.ensembles import Combination
    from earmark.scores import Task


@dataclass(frozen=True)
class Asked:
    """The options of the command."""

    out: Path | None
    rule: Literal["arithmetic", "geometric", "rank"]
    weights: str | None
    over: Literal["clips", "tags"] | None
    only: Literal["same", "common"]
    task: Task | None
    mean_weights: bool
    search: bool
    cross: bool
    agreement: bool
    data: Path | None
    dataset: str | None
    metric: str | None
    rounds: int
    temperature: str | None
    as_json: bool

    def check(self) -> None:
        """Raises EarmarkError for options that contradict each other."""
        if self.out is None and not (self.search or self.agreement):
            raise EarmarkError("say where the ensemble goes with -o FILE (or ask for --agreement or --search alone)")
        if self.search and self.weights is not None:
            raise EarmarkError("--search finds the weights: leave out --weights, or leave out --search")
        chosen = self.search or self.warmth() == "fit"
        wanted = chosen or self.agreement or self.mean_weights
        if (chosen and self.data is None) or (self.data is not None and not wanted):
            raise EarmarkError(
                "--search and --temperature fit need the clips' tags with --data, and --data is for these, --agreement and "
                "--mean-weights"
            )
        if self.metric is not None and not self.search and self.data is None:
            raise EarmarkError(
                f"--metric {self.metric}: is of what each member adds, which --agreement tells where --data gives the clips' tags: name "
                "them, or leave --metric out"
            )
        if self.out is None and self.data is None and (self.weights is not None or self.rule != "arithmetic"):
            option = f"--weights {self.weights}" if self.weights is not None else f"--rule {self.rule}"
            raise EarmarkError(
                f"{option}: says how members are combined, and --agreement alone combines none: name -o FILE or --data, or leave it out"
            )
        if self.cross and not chosen:
            raise EarmarkError("--cross says how --search or --temperature fit is done: give one of them too")

    def check_over(self) -> None:
        """Raises EarmarkError where something is to be ranked by a rule that ranks nothing."""
        if self.over is not None and self.rule != "rank":
            raise EarmarkError(
                f"--over {self.over}: says what --rule rank ranks, and the rule is {self.rule}: say --rule rank, or leave --over out"
            )

    def warmth(self) -> float | Literal["fit"] | None:
        """The temperature: a number, or how it is found."""
        if self.temperature is None or self.temperature == "fit":
            return "fit" if self.temperature else None
        try:
            return float(self.temperature)
        except ValueError:
            raise EarmarkError(f"--temperature {self.temperature}: is a number, such as 0.7, or `fit`") from None

    def shares(self) -> list[float] | None:
        """The weights: numbers, of "3:3:2"."""
        if self.weights is None:
            return None
        try:
            return [float(part) for part in self.weights.replace(",", ":").split(":")]
        except ValueError:
            raise EarmarkError(
                f"--weights {self.weights}: are numbers with colons between them, one a member, such as 3:3:2"
            ) from None

    def check_taggers(self) -> None:
        """Raises EarmarkError for options that are of score files."""
        wrong = {
            "--search": self.search, "--agreement": self.agreement, "--only common": self.only == "common",
            "--task": self.task, "--temperature fit": self.temperature == "fit",
        }  # fmt: skip
        if unfit := [name for name, wanted in wrong.items() if wanted]:
            raise EarmarkError(f"{unfit[0]} is for score files, such as `earmark evaluate` writes for each tagger")
        if self.over == "clips":
            raise EarmarkError("--over clips: a tagger hears one recording at a time, so it can rank tags only")
        self.check_over()
        if self.mean_weights and self.temperature is not None:
            raise EarmarkError("--temperature is of several members' scores: --mean-weights makes one net")
        if self.mean_weights and self.rule != "arithmetic":
            raise EarmarkError(f"--rule {self.rule} is of scores: weights are averaged arithmetically")


def say_again(files: list[Path]) -> None:
    """Which members are there twice, and so count twice."""
    from earmark.cli.terminal.console import say
    from earmark.files.places import named_again

    for file, first in named_again(files):
        say(
            f"{file}: is {first} again, which so counts twice. Leave it out, or say with --weights how much each counts"
        )


def of_scores(files: list[Path], asked: Asked) -> None:
    """Search, compare and combine score files."""
    from earmark.evaluation.ensembles import combine
    from earmark.evaluation.members import save

    if asked.mean_weights:
        raise EarmarkError("--mean-weights is of taggers; these are score files")
    asked.check_over()
    told = combine(
        files, rule=asked.rule, weights=asked.shares(), over=asked.over or "clips", only=asked.only, task=asked.task,
        data=asked.data, dataset=asked.dataset, metric=asked.metric, search=asked.search, cross=asked.cross,
        temperature=asked.warmth(), rounds=asked.rounds, agreement=asked.agreement, scores=asked.out is not None, progress=Bar(),
    )  # fmt: skip
    if not asked.as_json:
        _print_tables(told)
    if asked.out is not None:
        save(told.scores, asked.out)
    if asked.as_json:
        print_json({"members": [str(file) for file in files], **told.as_dict()})
    for member in told.lacking:
        for line in member.words():
            say(line)
    if asked.out is not None:
        say(f"{asked.out}: {told.summary}")
        chosen = asked.search or asked.warmth() == "fit"
        lost = ["which clips chose this, so nothing will refuse figures on them"] if chosen else []
        lost += ["what was borne for it, so no report will say it"] if told.borne else []
        if asked.out.suffix == ".csv" and lost:
            say(f"{asked.out}: a CSV does not tell {'; nor '.join(lost)}. Write .parquet, which does")


def of_taggers(files: list[Path], asked: Asked) -> None:
    """One file with all taggers, or one tagger in the middle of them."""
    from earmark.evaluation.members import save
    from earmark.train.ensembles import average, join

    asked.check_taggers()
    assert asked.out is not None
    if asked.mean_weights:
        told = average(files, asked.shares(), data=asked.data, dataset=asked.dataset, progress=Bar())
    else:
        warmth = asked.warmth()
        told = join(
            files, asked.rule, asked.shares(), temperature=warmth if isinstance(warmth, float) else 1.0, progress=Bar()
        )
    save(told.tagger, asked.out)
    if asked.as_json:
        print_json({"members": [str(file) for file in files], **told.as_dict()})
    say(f"{asked.out}: {told.summary}")


def _print_tables(told: Combination) -> None:
    if told.search is not None:
        rows = [(i + 1, told.names[step.member], f"{step.value:.4f}") for i, step in enumerate(told.search.path)]
        print_table(["round", "added", told.metric], rows)
        print(f"--weights {':'.join(map(str, told.search.counts))}: {told.metric} {told.search.value:.4f}")
    if told.cross is not None:
        print(f"each fold with the weights that the others chose: {told.metric} {told.cross.value:.4f}")
    if told.agreement is not None:
        print(told.agreement.text())
