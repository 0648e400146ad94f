"""JSON schemas (draft 2020-12) of what the commands print for programs, and of recipes.

    tag        `earmark tag --json`: a list, an object a recording; `Tags.to_dict` gives one of them
    tag-lines  `earmark tag --format jsonl`: an object a line; of live sound also one for each window
    events     `earmark events --json`: a list, an object a recording
    embed      `earmark embed --json`: what was written
    evaluate   `earmark evaluate --json`, and report.json
    recipe     the values of a recipe's YAML file

An output has the keys that its schema names and no others. A later version may add keys: a program passes over those that it
does not know. Of a recipe the schema says what form it has; `earmark check` knows more, such as the arguments of nets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from earmark.errors import UnknownName
from earmark.inference.shapes import Counted, EventsOfRecording, Output, TagsOfRecording, TagsOfWindow
from earmark.recipe.schema import FOLDS, Recipe
from earmark.recipe.text import EXPONENT, FRACTION
from earmark.registry import did_you_mean

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Unread(Output):
    path: str
    reason: str


class Embedded(Output):
    """A file of embeddings that was written."""

    out: Annotated[str, Field(description="The Parquet file.")]
    recordings: Counted
    windows: Annotated[int, Field(ge=0, description="Rows of the file.")]
    width: Annotated[int, Field(ge=1, description="Numbers in a vector.")]
    tagger: Annotated[str, Field(description="The tagger's identity.", pattern="^[0-9a-f]{12}$")]
    sample_rate: Annotated[int, Field(ge=1, description="Hz.")]
    window_settings: Annotated[dict[str, Any], Field(description="Of the tagger's windows.")]
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
    "recipe": ("a recipe, as its YAML is read", _recipe),
}


def schema(what: str) -> dict[str, Any]:
    """The schema of a thing, by its name. Raises UnknownName."""
    if what not in SCHEMAS:
        raise UnknownName(f"{what}: has no schema{did_you_mean(what, SCHEMAS)} Known: {', '.join(SCHEMAS)}")
    summary, make = SCHEMAS[what]
    return {"$schema": DIALECT, "title": summary, **{k: v for k, v in make().items() if k != "title"}}
