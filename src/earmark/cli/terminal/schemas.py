"""JSON schemas (draft 2020-12) of what the commands print for programs, and of recipes.

    tag        `earmark tag --json`: a list, an object a recording; `Tags.to_dict` gives one of them
    tag-lines  `earmark tag --format jsonl`: an object a line; of live sound also one for each window
    events     `earmark events --json`: a list, an object a recording
    embed      `earmark embed --json`: what was written
    evaluate   `earmark evaluate --json`, and report.json
    compare    `earmark compare --json`, and comparison.json
    audit      `earmark audit --json`: a list, an object a label that is doubted
    show       `earmark show --json`: what the header of a tagger's file tells
    store      the rows of the two tables of `earmark events --store`
    recipe     the values of a recipe's YAML file

An output has the keys that its schema names and no others. A later version may add keys: a program passes over those that it
does not know. Of a recipe the schema says what form it has; `earmark check` knows more, such as the arguments of nets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.json_schema import SkipJsonSchema

from earmark.errors import UnknownName
from earmark.inference.shapes import Counted, EventsOfRecording, Output, TagsOfRecording, TagsOfWindow
from earmark.recipe.schema import FOLDS, Recipe
from earmark.recipe.text import EXPONENT, FRACTION
from earmark.registry import did_you_mean

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Identity = Annotated[str, Field(description="Of a tagger.", pattern="^[0-9a-f]{12}$")]


def _without_default(told: dict[str, Any]) -> None:
    del told["default"]


Absent = Field(default=None, json_schema_extra=_without_default)  # of a key that may not be there, and is never null


class Unread(Output):
    path: str
    reason: str


class Embedded(Output):
    """A file of embeddings that was written."""

    out: Annotated[str, Field(description="The Parquet file.")]
    recordings: Counted
    windows: Annotated[int, Field(ge=0, description="Rows of the file.")]
    width: Annotated[int, Field(ge=1, description="Numbers in a vector.")]
    tagger: Identity
    sample_rate: Annotated[int, Field(ge=1, description="Hz.")]
    window_settings: Annotated[dict[str, Any], Field(description="Of the tagger's windows.")]
    gain: Annotated[float | SkipJsonSchema[None], Field(description="dB by which the sound was made louder first.")] = (
        Absent
    )
    unread: list[Unread]


class Figure(Output):
    """A figure and its interval; null where it has no value, which a note explains."""

    value: float | None
    low: float | None
    high: float | None


class TagFigures(Output):
    tag: str
    clips: Counted
    average_precision: float | None
    auc: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    map_at_3: float | None


class Miss(Output):
    id: str
    path: str
    truth: str
    answered: str
    score: float | None
    answered_score: float | None


class Bootstrap(Output):
    kind: str
    level: float
    resamples: Counted
    groups: Counted
    centred: list[str]


class Evaluated(Output):
    """The figures of an evaluation."""

    clips: Counted
    task: Literal["one", "many"]
    metrics: dict[str, Figure]
    tags: list[TagFigures]
    undefined: Annotated[list[str], Field(description="Tags left out of a mean.")]
    confusion: Annotated[list[list[Counted]] | None, Field(description="Rows: the truth; columns: the answers.")]
    calibration: dict[str, Any] | None
    worst: list[Miss]
    threshold: float | list[float] | None
    decisions: dict[str, Any] | None
    events: dict[str, Any] | None
    protocol: Annotated[dict[str, Any], Field(description="How the figures came about.")]
    interval: Bootstrap
    notes: list[str]


class System(Output):
    name: str
    metrics: dict[str, Figure]


class Pair(Output):
    """A metric of a less that of b, of the paired bootstrap; p of the permutation test, p_holm corrected for several pairs."""

    a: str
    b: str
    metric: str
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None


class Compared(Output):
    """Systems on the same clips, and every pair of them by each metric."""

    systems: list[System]
    pairs: list[Pair]
    clips: int | None
    notes: list[str]
    protocol: Annotated[dict[str, Any], Field(description="What each system is, by its name.")]


class DoubtedLabel(Output):
    """A clip's label that the scores speak against, the most doubtful first."""

    id: str
    path: str
    tag: Annotated[str, Field(description="The tag in doubt.")]
    given: Annotated[str, Field(description="The labels that the clip has.")]
    suggested: Annotated[str, Field(description="What it should rather have; may be empty.")]
    score: Annotated[float, Field(ge=0, le=1, description="How much it is doubted.")]
    why: Annotated[str, Field(description="A sentence.")]


class GraphTold(Output):
    """A graph of the net for engines. model: ONNX without weights, deflated, in base64."""

    model: str
    precision: Literal["float32", "int8"]
    hears: Literal["waves", "maps", "both"]
    length: Annotated[int, Field(ge=1, description="Samples of a window.")]
    weights: Annotated[list[str], Field(description="Its tensors in the file.")]
    of: Identity
    windows: Annotated[int | SkipJsonSchema[None], Field(description="That it scores at once, in one stretch.")] = (
        Absent
    )
    hop: Annotated[int | SkipJsonSchema[None], Field(description="Samples between these.")] = Absent
    frames: Annotated[list[float] | SkipJsonSchema[None], Field(description="Edges of the frames, seconds.")] = Absent
    made: Annotated[dict[str, str] | SkipJsonSchema[None], Field(description="How it was made and compared.")] = Absent


class FactsTold(BaseModel):
    """How the tagger was made and judged; what is not known is absent. Other programs' keys are kept."""

    model_config = ConfigDict(extra="allow", strict=True)

    data: dict[str, Any] | SkipJsonSchema[None] = Absent
    split: dict[str, Any] | SkipJsonSchema[None] = Absent
    versions: dict[str, str] | SkipJsonSchema[None] = Absent
    phase: str | SkipJsonSchema[None] = Absent
    precision: str | dict[str, str] | SkipJsonSchema[None] = Absent
    validation: dict[str, float | None] | SkipJsonSchema[None] = Absent
    chosen: dict[str, Any] | SkipJsonSchema[None] = Absent
    soup: dict[str, Any] | SkipJsonSchema[None] = Absent
    bases: list[dict[str, Any]] | SkipJsonSchema[None] = Absent
    adopted: dict[str, Any] | SkipJsonSchema[None] = Absent
    events: dict[str, Any] | SkipJsonSchema[None] = Absent
    tags: dict[str, Any] | SkipJsonSchema[None] = Absent
    test: dict[str, Any] | SkipJsonSchema[None] = Absent


class MemberTold(Output):
    """What the file of an ensemble tells of one of its taggers."""

    recipe: dict[str, Any]
    vocabulary: Annotated[list[str], Field(description="The tags, in the order of scores.")]
    facts: FactsTold
    graphs: list[GraphTold] | SkipJsonSchema[None] = Absent
    plugins: Annotated[list[dict[str, Any]] | SkipJsonSchema[None], Field(description="That it needs.")] = Absent


class TaggerTold(MemberTold):
    """What the file of a tagger tells of it."""

    format: Literal["earmark-tagger"]
    version: Annotated[int, Field(ge=1, description="Of the format.")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="Of the weights and of all else here.")]


class EnsembleTold(Output):
    """What the file of several taggers that answer as one tells of them."""

    format: Literal["earmark-ensemble"]
    version: Annotated[int, Field(ge=1, description="Of the format.")]
    rule: str
    weights: list[float]
    vocabulary: list[str]
    task: Literal["one", "many"]
    members: Annotated[list[MemberTold], Field(min_length=2)]
    facts: FactsTold
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="Of the weights and of all else here.")]


def _show() -> dict[str, Any]:
    """Their recipes have the form of recipes."""
    told: dict[str, Any] = TypeAdapter(TaggerTold | EnsembleTold).json_schema()
    recipe = _recipe()
    told["$defs"] |= recipe.pop("$defs")
    told["$defs"]["Recipe"] = recipe
    for kind in ("MemberTold", "TaggerTold"):
        told["$defs"][kind]["properties"]["recipe"] = {"$ref": "#/$defs/Recipe"}
    return told


def _store() -> dict[str, Any]:
    """A row of each table as an object; times as texts."""
    from earmark.events.store import COLUMNS

    whole, number = {"type": "integer"}, {"type": "number"}
    kinds: dict[str, dict[str, str]] = {
        "string": {"type": "string"}, "timestamp[ms]": {"type": "string"},
        "int16": whole, "int32": whole, "float": number, "double": number,
    }  # fmt: skip
    tables = {}
    for table, columns in COLUMNS.items():
        properties = {
            each.name: {"anyOf": [kinds[each.kind], {"type": "null"}], "description": each.tells}
            if each.null
            else {**kinds[each.kind], "description": each.tells}
            for each in columns
        }
        row = {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
        tables[table] = {"type": "array", "items": row}
    return {"type": "object", "properties": tables, "required": [*tables], "additionalProperties": False}


def _of(kind: Any) -> Callable[[], dict[str, Any]]:
    return lambda: TypeAdapter(kind).json_schema()


def _recipe() -> dict[str, Any]:
    """The form of a recipe as people write it: fractions for numbers, a name for a component, numbers for folds' names."""
    told: dict[str, Any] = _loose(Recipe.model_json_schema())
    kinds = told["$defs"]
    kinds["Component"] = {"anyOf": [{"type": "string"}, kinds["Component"]]}
    for key in FOLDS:
        kinds["Data"]["properties"][key] = _names(kinds["Data"]["properties"][key])
    return told


def _loose(value: Any) -> Any:
    if isinstance(value, list):
        return [_loose(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "number":
        more = {key: told for key, told in value.items() if key in ("title", "description", "default")}
        texts = [{"type": "string", "pattern": pattern.pattern} for pattern in (FRACTION, EXPONENT)]
        return {**more, "anyOf": [{key: told for key, told in value.items() if key not in more}, *texts]}
    return {key: _loose(each) for key, each in value.items()}


def _names(value: Any) -> Any:
    if isinstance(value, list):
        return [_names(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "array":
        return {**value, "items": {"type": ["string", "integer"]}}
    return {key: _names(each) for key, each in value.items()}


SCHEMAS: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "tag": ("earmark tag --json", _of(list[TagsOfRecording])),
    "tag-lines": ("a line of earmark tag --format jsonl", _of(TagsOfRecording | TagsOfWindow)),
    "events": ("earmark events --json", _of(list[EventsOfRecording])),
    "embed": ("earmark embed --json", _of(Embedded)),
    "evaluate": ("earmark evaluate --json, and report.json", _of(Evaluated)),
    "compare": ("earmark compare --json, and comparison.json", _of(Compared)),
    "audit": ("earmark audit --json", _of(list[DoubtedLabel])),
    "show": ("earmark show --json", _show),
    "store": ("the tables of earmark events --store", _store),
    "recipe": ("a recipe, as its YAML is read", _recipe),
}


def schema(what: str) -> dict[str, Any]:
    """The schema of a thing, by its name. Raises UnknownName."""
    if what not in SCHEMAS:
        raise UnknownName(f"{what}: has no schema{did_you_mean(what, SCHEMAS)} Known: {', '.join(SCHEMAS)}")
    summary, make = SCHEMAS[what]
    return {"$schema": DIALECT, "title": summary, **{k: v for k, v in make().items() if k != "title"}}
