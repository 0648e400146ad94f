"""The rows of `earmark list`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.registry import Registry


class Kind(StrEnum):
    nets = "nets"
    features = "features"
    datasets = "datasets"
    augmentations = "augmentations"
    metrics = "metrics"
    recipes = "recipes"
    taggers = "taggers"
    plugins = "plugins"


def cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def nets() -> list[dict[str, Any]]:
    """Counts are for the net's defaults, which are the paper's; nothing is allocated."""
    from earmark.models.layers.blocks import count
    from earmark.models.size import on_shapes
    from earmark.registry import NETS

    rows = []
    for name in NETS.names():
        entry = NETS[name]
        with on_shapes():
            parameters, buffers = count(entry.function())
        told = {"name": name, "summary": entry.summary, "paper": entry.facts.get("paper")}
        rows.append({**told, "parameters": parameters, "buffers": buffers})
    return _sourced(rows, NETS)


def _sourced(rows: list[dict[str, Any]], known: Registry) -> list[dict[str, Any]]:
    """The rows, with the file or the package that each is from where some are not earmark's own."""
    sources = [known[row["name"]].plugin for row in rows]
    if not any(sources):
        return rows
    return [{**row, "from": source.place if source else "earmark"} for row, source in zip(rows, sources, strict=True)]


def registered(kind: Kind) -> list[dict[str, Any]]:
    from earmark import registry

    known = {
        Kind.features: registry.features(),
        Kind.datasets: registry.DATASETS,
        Kind.augmentations: registry.AUGMENTATIONS,
        Kind.metrics: registry.METRICS,
    }[kind]
    return _sourced([{"name": name, "summary": known[name].summary} for name in known.names()], known)


def plugins() -> list[dict[str, Any]]:
    """Those named with --plugin, and those installed: what each gives, or why it cannot be imported."""
    from earmark import plugins

    return [
        {
            "name": each.name,
            "from": each.place,
            "gives": each.error or ", ".join(f"{kind} {name}" for kind, name in each.gives),
            "sha256": each.sha256,
        }
        for each in plugins.known()
    ]


def recipes() -> list[dict[str, Any]]:
    """As they are written: to check them is to look at nets, which need torch."""
    from earmark import recipe
    from earmark.recipe import text

    return [{"name": name, "summary": text.read(path)["summary"]} for name, path in recipe.shipped().items()]


def taggers() -> list[dict[str, Any]]:
    from earmark.models import loading
    from earmark.models.file import read_head

    rows = []
    for name, path in loading.shipped().items():
        head = read_head(path)
        told = {"name": name, "summary": head["recipe"]["summary"], "tags": len(head["vocabulary"])}
        rows.append({**told, "bytes": path.stat().st_size, "sample_rate": head["recipe"]["sample_rate"]})
    return rows
