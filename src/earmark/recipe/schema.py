"""What a recipe holds: sections with their keys, values and defaults, and how phases are put over them."""

from __future__ import annotations

import typing
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from earmark.recipe.bounds import HOP_SECONDS, PARTS, RATE, SIDE
from earmark.recipe.hearing import Normalise
from earmark.scores.tags import Task
from earmark.windows import Combine, Last, Short, Weigh, Windows

FOLDS = {"test", "validation", "train"}  # keys whose lists hold names
Beta = Annotated[float, Field(ge=0, lt=1)]
NUMBERS = {int, float, type(None)}


class Section(BaseModel):
    """Base of the sections: unknown keys are mistakes, and so is `true` for a number, or a number for `true`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        # pydantic's strict mode would refuse 1e3 for a whole number and a list for betas, which recipes may say
        field = cls.model_fields[str(info.field_name)]
        kinds = _kinds(field.annotation)
        if kinds == {bool} and not isinstance(value, bool):
            raise ValueError("should be true or false")
        several = isinstance(value, list | tuple)
        if kinds <= NUMBERS and any(isinstance(part, bool) for part in (value if several else [value])):
            wanted = "hold numbers" if several else "be a whole number" if int in kinds else "be a number"
            raise ValueError(f"should {wanted}, not true or false")
        return value


def _kinds(annotation: Any) -> set[Any]:
    """What a value may be, of whatever lists and unions: `tuple[float, float] | None` → float and nothing."""
    if (origin := typing.get_origin(annotation)) is Annotated:
        return _kinds(typing.get_args(annotation)[0])
    inner = typing.get_args(annotation) if origin is not Literal else ()
    return {kind for part in inner for kind in _kinds(part)} if inner else {annotation}


class Component(BaseModel):
    """A named function and its arguments: `{name: logmel, bands: 64}`, or just `logmel`."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Data(Section):
    """Which clips. dataset: a registered layout. test: folds that are reported and never trained or chosen on.

    validation: folds, or the fraction of the remaining clips (whole groups, stratified by tag), that choose the epoch;
    an empty list for none, where the number of epochs is known beforehand. train: folds; default: all others.
    folds: deals clips into so many, named "1", "2", …: stratified by tag, groups whole. deal: the clips that have no
    fold (the rest), or all, whatever folds they had.
    rotate: which part the folds take in turn in a run over all of them: each is tested on once, and the one before it
    validates; or each validates once, and `test` stays (papers 002 and 004, whose test clips are given).
    shared_groups: whether a group (speaker, uploader), a recording or one sound under two names on two sides of the split is an
    error, or reported and borne, as with official splits that do not keep speakers apart.
    tags: how many tags there are, where that is another number than the layout's, so that `earmark check` can count the
    net's parameters; training takes those that the clips have.
    reserved: tags that are learnt and never told, in answer to what is none of the others (default: background, noise,
    silence and other, as far as the clips have them).
    """

    dataset: str
    options: dict[str, Any] = Field(default_factory=dict)
    test: list[str] = Field(default_factory=list)
    validation: list[str] | float = 0.15
    train: list[str] | None = None
    folds: int | None = Field(default=None, ge=2)
    deal: Literal["rest", "all"] = "rest"
    rotate: Literal["test", "validation"] = "test"
    shared_groups: Literal["refuse", "report"] = "refuse"
    tags: int | None = Field(default=None, ge=1)
    reserved: list[str] | None = None

    @model_validator(mode="before")
    @classmethod
    def _folds_are_names(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: _names(v) if k in FOLDS else v for k, v in value.items()}

    @field_validator("validation", mode="before")
    @classmethod
    def _list_or_fraction(cls, value: Any) -> Any:
        if isinstance(value, list) or (isinstance(value, float) and 0 < value < 1):
            return value
        raise ValueError("should be a list of folds, or a fraction between 0 and 1")

    @model_validator(mode="after")
    def _parts_do_not_meet(self) -> Data:
        parts = {"test": self.test, "train": self.train or []}
        if isinstance(self.validation, list):
            parts["validation"] = self.validation
        seen: dict[str, str] = {}
        for part, folds in parts.items():
            for fold in folds:
                if seen.get(fold) == part:
                    raise ValueError(f"fold {fold!r} is in {part} twice")
                if fold in seen:
                    raise ValueError(
                        f"fold {fold!r} is in both {seen[fold]} and {part}: a figure on it would mean nothing"
                    )
                seen[fold] = part
        return self


class WindowsSection(Section):
    """See `earmark.windows.Windows`; seconds."""

    length: float = Field(gt=0)  # at most: see `earmark.recipe.bounds.windows`
    hop: float = Field(gt=0, le=HOP_SECONDS)
    last: Last = "align"
    short: Short = "pad"
    combine: Combine = "mean"
    weigh: Weigh = "equal"

    def build(self) -> Windows:
        return Windows(**self.model_dump())

    def too_far_apart(self) -> str:
        """What is wrong with a hop above the length."""
        return (
            f"windows.hop: {self.hop:g} s leaves gaps between windows of {self.length:g} s that nobody hears: take at most "
            "their length"
        )


class ResizeTo(Section):
    """What the feature's maps become before the net: bilinear; one channel is repeated to make several."""

    bands: int = Field(ge=1, le=SIDE)
    frames: int = Field(ge=1, le=SIDE)
    channels: int = Field(default=1, ge=1, le=PARTS)


class Head(Section):
    """Dense layers on the net's embedding, of `width` numbers, in the place of what the net itself says of tags.

    hidden: numbers of a layer with a ReLU between; 0: none. `earmark train --from` writes it.
    """

    width: int = Field(ge=1, le=SIDE)
    hidden: int = Field(default=0, ge=0, le=SIDE)


class Optimiser(Section):
    """name: adam, adamw or sgd (Nesterov, with `momentum`).

    decay: the rate that the schedule gives is divided by 1 + decay × steps done, below its `lowest` too.
    """

    name: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = Field(default=1e-3, gt=0, le=RATE)
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0, le=RATE)
    decay: float = Field(default=0.0, ge=0, le=RATE)


class Schedule(Section):
    """How the learning rate changes from epoch to epoch.

    plateau: × factor after `patience` epochs without a gain in `choose`, not below `lowest`. cosine: from lr in the first
    epoch towards `lowest`, which the epoch after the last would have: of 5 from 1 to 0.1 the last has 0.186. Both after
    `warm_up` epochs of linear growth.
    """

    name: Literal["constant", "plateau", "cosine"] = "plateau"
    factor: float = Field(default=0.5, gt=0, lt=1)
    patience: int = Field(default=3, ge=1)
    lowest: float = Field(default=1e-6, ge=0, le=RATE)
    warm_up: int = Field(default=0, ge=0)


class Train(Section):
    """epochs: at most. stop_after: epochs without a gain in `choose`, or none. keep: which epoch becomes the tagger.

    keep: with `every`, each epoch's tagger is kept beside the best (the last, where nothing validates), so that their
    outputs can be averaged. balance: `classes` draws clips so that each tag comes up equally often in a batch, again and
    again where it has few (paper 000); where clips have several tags, the others come along, so that the frequencies of tags
    stay uneven, if less: of 20,000 clips with AudioSet's tags the commonest comes 231 times as often as the rarest, in plain
    draws 461 times; and 527 tags cannot all come up in 256 clips: they take turns. Clips that have none of the tags come as
    often as those of one tag; those of which nothing is known, never. clips: how many make an epoch; default as many as there
    are. segments: `every` makes an epoch of every window of every clip, as tagging cuts them, each once and in a random order,
    in place of a random crop of each clip (paper 001); clips then counts segments. What changes lengths, such as `speed`, is given
    the sound around a window too, so that it leaves no gap in it.
    choose: `segment_loss` is the mean loss of the validation clips' windows, each for itself, `loss` that of the clips
    after their windows are combined.
    accumulate: batches whose mean loss a step is of; the last step of an epoch is of those that are left.
    buffer: of a pack's clips: read its shards in order, drawn anew in each epoch, and mix so many clips that come near each other,
    for disks and stores on which it is slow to begin at any place; default: clips come from all over the pack.
    renew_statistics: take the batch normalisation's running statistics anew at the end of each epoch, over the epoch's
    crops before they were mixed; without validation at the end of the last one, or of `every`. Where epochs have few
    steps, statistics that follow the training lag behind the weights, and those of mixtures are not those of clips.
    ema: validate and keep, in place of the weights, their moving average with this decay a step: after each, d · average +
    (1 − d) · weights, where d is the decay, but (1 + k) / (10 + k) in step k while that is less. 0.999 looks back over about
    1000 steps. consistency: hear two views of each clip, with crops and changes of their own but mixed alike, and add so many
    times the divergence of what the net says of them to the loss: half of KL either way. A step then takes twice the time.
    """

    epochs: int = Field(ge=1)
    batch: int = Field(default=16, ge=2)  # batch normalisation needs two
    accumulate: int = Field(default=1, ge=1)
    buffer: int | None = Field(default=None, ge=1)
    balance: Literal["none", "classes"] = "none"
    clips: int | None = Field(default=None, ge=2)
    segments: Literal["random", "every"] = "random"
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    choose: Literal["loss", "segment_loss", "accuracy", "map"] = "loss"
    keep: Literal["best", "last", "every"] = "best"
    stop_after: int | None = Field(default=None, ge=1)
    renew_statistics: bool = False
    ema: float | None = Field(default=None, gt=0, lt=1)
    consistency: float | None = Field(default=None, gt=0, le=100)
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"


class Distil(Section):
    """What a student learns from teachers, beside labels; `earmark distil` fills it in. See `earmark.train.teaching`.

    temperature: by which logits are divided, so that small probabilities count. share: of the labels in the loss, the rest is
    the teachers'. teachers: identities. merge, merge_by: the table that their tags were merged by.
    """

    temperature: float = Field(default=2.0, gt=0, le=100)
    share: float = Field(default=0.1, ge=0, lt=1)
    teachers: list[str] = Field(default_factory=list, max_length=PARTS)
    merge: str | None = None
    merge_by: Literal["highest", "sum"] = "highest"


def loaded(part: str, place: str) -> tuple[str, str]:
    r"""Where a part's weights are from, by what `load` says of it: (an earlier phase or a file, the part there).

    A colon of a path, as behind a drive's letter, stands before a part's name of no kind.

    >>> loaded("net.audio", "audio:net.branch"), loaded("net", "audio")
    (('audio', 'net.branch'), ('audio', 'net'))
    >>> loaded("net", "C:/birds.safetensors"), loaded("net", r"C:\birds.safetensors:net.body")
    (('C:/birds.safetensors', 'net'), ('C:\\birds.safetensors', 'net.body'))
    """
    source, _, inner = place.rpartition(":")
    if not source or not inner or "/" in inner or "\\" in inner:
        return place, part
    return source, inner


class Phase(Section):
    """A part of the training, put over the recipe: what is not given stays the recipe's.

    train: keys of `train`. augment, net, features, resize: in place of the recipe's. load: where parts of the tagger
    get their weights, `part: source:part` with an earlier phase or a tagger file as the source, such as
    `net.audio: audio:net.branch`. freeze: parts that stay as they are, their batch statistics too.

    A phase goes on from the weights that the phase before it kept, if that one had the same net.
    """

    train: dict[str, Any] = Field(default_factory=dict)
    augment: list[Component] | None = Field(default=None, max_length=PARTS)
    net: Component | None = None
    features: Component | None = None
    resize: ResizeTo | None = None
    load: dict[str, str] = Field(default_factory=dict)
    freeze: list[str] = Field(default_factory=list)


class Recipe(Section):
    """See the package's docstring, and the files in `earmark/recipe/recipes`.

    phases: by name; run: which of them, in order (default: all, as they are written). normalise: make each window that
    the tagger hears, in training after its augmentation, as loud as the others: its largest absolute sample (peak) or
    its root mean square (rms) is 1.
    epochs: of all phases together at most; what a phase finds spent is not trained.
    """

    name: str = ""
    summary: str = ""
    seed: int = Field(default=0, ge=0, lt=2**63)
    task: Task
    sample_rate: int = Field(ge=1000, le=384_000)
    data: Data
    windows: WindowsSection
    normalise: Normalise = "none"
    features: Component | None = None
    resize: ResizeTo | None = None
    net: Component
    head: Head | None = None
    augment: list[Component] = Field(default_factory=list, max_length=PARTS)
    train: Train
    load: dict[str, str] = Field(default_factory=dict)
    phases: dict[str, Phase] = Field(default_factory=dict, max_length=PARTS)
    run: list[str] | None = None
    epochs: int | None = Field(default=None, ge=1)
    distil: Distil | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they are stored in a tagger file."""
        # of a phase only what it says: what it leaves out is the recipe's, which an empty value would not be
        phases = {name: phase.model_dump(mode="json", exclude_unset=True) for name, phase in self.phases.items()}
        told = self.model_dump(mode="json") | {"phases": phases}
        # files of before a key stay as they are, and can be read by what wrote them
        if self.normalise == "none":
            del told["normalise"]
        if self.data.reserved is None:
            del told["data"]["reserved"]
        if self.head is None:
            del told["head"]
        for key in ("ema", "consistency", "buffer"):
            if told["train"][key] is None:
                del told["train"][key]
        if self.distil is None:
            del told["distil"]
        return told

    def running(self) -> list[str]:
        """The names of the phases that run, in order; none where the training has no phases."""
        return list(self.phases) if self.run is None else self.run

    def during(self, phase: str) -> dict[str, Any]:
        """The plain values of the recipe while a phase runs, without phases of its own."""
        settings, raw = self.phases[phase], self.as_dict()
        raw["train"] = _over(raw["train"], settings.train)
        raw |= {
            key: getattr(settings, key)
            for key in ("augment", "net", "features", "resize")
            if key in settings.model_fields_set
        }
        raw |= {"load": settings.load, "phases": {}, "run": None, "epochs": None}
        return raw


def _over(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`changes` put over `base`, section by section."""
    return base | {
        key: _over(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
        for key, value in changes.items()
    }


def _names(value: Any) -> Any:
    """Fold names are strings, though YAML reads 5 as a number."""
    if isinstance(value, list):
        return [str(v) if isinstance(v, int | str) and not isinstance(v, bool) else v for v in value]
    return value
