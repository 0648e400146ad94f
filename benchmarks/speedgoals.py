"""What is asked of engines' speed, line by line: measured in which part, on which processor, or why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Line(NamedTuple):
    """work: what is timed; against: what; part: of the benchmarks; goal: the words with which its goal opens; ends: and ends."""

    work: str
    against: str
    part: str
    goal: str
    ends: str | tuple[str, ...] = ""
    lacking: str = ""  # what a processor needs for it


EAGER = "eager torch float32, batches of 16"
TAGS = "engines: esc10 from file to tags"
AMX = ("with AMX over torch float32", "bf16 over torch float32")
LINES = (
    Line("esc10 from file to tags, one core, float32", EAGER, "engines", TAGS, "float32 over torch float32"),
    Line("the same, int8 with VNNI", EAGER, "engines", TAGS, "int8 over torch float32", "VNNI"),
    Line("the same, bf16 or int8 with AMX", EAGER, "engines", TAGS, AMX, "AMX"),
    Line("resnet_b, 10 s every 10 s, 527 tags, float32", "panns Cnn14, the same windows", "panns", "panns: resnet_b", ", float32"),
    Line("the same, int8 or bf16", "the same", "panns", "panns: resnet_b", "int8 or bf16", "VNNI, AMX or bf16"),
    Line("training step of esc10-cnnspec", "plain eager float32", "step", "training step of esc10-cnnspec"),
    Line("2 s every 5,120 samples, shared, float32", "shared in eager torch", "engines", "engines: 2 s every 5,120 samples"),
    Line("earmark tag of one clip, cold process, CPU time", EAGER, "engines", "engines: `earmark tag` of one clip"),
    Line("decoding and resampling when tagging a folder", "bare soundfile + soxr", "engines", "engines: decoding when a folder"),
)  # fmt: skip
COLUMNS = ["", "against", "part", "ratio", "goal", "", "measured on"]


def table(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """parts: as bench.json has them."""
    return {"title": "What is asked of engines", "columns": COLUMNS, "rows": [row(line, parts) for line in LINES]}


def row(line: Line, parts: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    part = parts.get(line.part)
    if part is None:
        return [line.work, line.against, line.part, "-", "-", "not run", "-"]
    where = part.get("machine", "-").partition("\n")[0].partition(", PyTorch")[0]
    for goal in part["goals"]:
        if goal["what"].startswith(line.goal) and goal["what"].endswith(line.ends):
            met = "met" if goal["value"] >= goal["at_least"] else "missed"
            if met == "missed" and "bound" in goal:
                met = f"missed; at most {goal['bound']:.2f} can be reached here, see the bound"
            return [line.work, line.against, line.part, float(goal["value"]), f"≥ {goal['at_least']:g}", met, where]
    why = f"not measurable: this processor has no {line.lacking}" if line.lacking else "not measured: see the part"
    return [line.work, line.against, line.part, "-", "-", why, where]
