"""Parts of Markdown: tables, lists, the protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def protocol(facts: Mapping[str, Any]) -> str:
    """The protocol as one sentence of Markdown, with all that is in it."""
    if not facts:
        return "Protocol: not given. Nobody can tell from this report what chose the epoch and the thresholds."
    values = (v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in facts.values())
    return "Protocol: " + "; ".join(f"{key}: {cell(value)}" for key, value in zip(facts, values, strict=True)) + "."


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = (0,)) -> str:
    """A Markdown table; the columns `words` are set left, numbers right."""
    lines = [head, ["---" if i in words else "---:" for i in range(len(head))], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {cell(sentence)}" for sentence in sentences)


def cell(text: str) -> str:
    return str(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
