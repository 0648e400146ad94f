"""A validator of JSON schemas, as far as ours go: written from the draft 2020-12, so that nothing of what made them judges them.

A keyword that it does not know is an error: nothing is passed over.
"""

from __future__ import annotations

import math
import re
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,), "boolean": (bool,), "null": (type(None),), "array": (list,), "object": (dict,), "number": (int, float),
}  # fmt: skip
SAID = {"$schema", "$defs", "title", "description", "default", "properties", "additionalProperties", "prefixItems"}


def is_a(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(value, TYPES[kind])


def faults(value: Any, schema: Any, root: Any = None, place: str = "$") -> list[str]:
    """What is wrong with a value; nothing where it has the form."""
    root = schema if root is None else root
    if isinstance(schema, bool):
        return [] if schema else [f"{place}: nothing may be here"]
    found: list[str] = []
    for word, told in schema.items():
        match word:
            case "$ref":
                found += faults(value, root["$defs"][told.removeprefix("#/$defs/")], root, place)
            case "type":
                if not any(is_a(value, kind) for kind in ([told] if isinstance(told, str) else told)):
                    return [f"{place}: is {value!r}, no {told}"]
            case "const":
                found += [] if value == told and type(value) is type(told) else [f"{place}: is {value!r}, not {told!r}"]
            case "enum":
                found += [] if value in told else [f"{place}: is {value!r}, none of {told}"]
            case "anyOf":
                each = [faults(value, one, root, place) for one in told]
                found += [] if any(not one for one in each) else [f"{place}: fits none", *min(each, key=len)]
            case "required":
                found += [f"{place}: has no {key}" for key in told if isinstance(value, dict) and key not in value]
            case "items":
                first = len(schema.get("prefixItems", []))
                rest = list(enumerate(value))[first:] if isinstance(value, list) else []
                found += [fault for i, each in rest for fault in faults(each, told, root, f"{place}[{i}]")]
            case "minItems" | "maxItems" | "minProperties" | "maxProperties":
                if isinstance(value, list if word.endswith("Items") else dict):
                    right = len(value) >= told if word.startswith("min") else len(value) <= told
                    found += [] if right else [f"{place}: holds {len(value)}, {word} is {told}"]
            case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
                if is_a(value, "number"):
                    right = {
                        "minimum": value >= told, "maximum": value <= told,
                        "exclusiveMinimum": value > told, "exclusiveMaximum": value < told,
                    }[word]  # fmt: skip
                    found += [] if right and math.isfinite(value) else [f"{place}: is {value}, {word} is {told}"]
            case "pattern":
                found += [f"{place}: is {value!r}"] if isinstance(value, str) and not re.search(told, value) else []
            case _ if word not in SAID:
                raise ValueError(f"{place}: this validator does not know {word}")
    if isinstance(value, list):
        for i, (each, one) in enumerate(zip(value, schema.get("prefixItems", []), strict=False)):
            found += faults(each, one, root, f"{place}[{i}]")
    if isinstance(value, dict):
        named = schema.get("properties", {})
        for key, each in value.items():
            found += faults(each, named.get(key, schema.get("additionalProperties", True)), root, f"{place}.{key}")
    return found
