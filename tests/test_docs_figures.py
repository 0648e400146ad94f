"""The figures of the documentation, in tables and in sentences, are those of `results/`; its rooms are those of the source."""

from __future__ import annotations

import ast
import functools
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from earmark.scores import Scores

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
RESULTS = ROOT / "results"
sys.path.append(str(DOCS))  # as MkDocs does for a hook
import figures  # noqa: E402
import generated  # noqa: E402
import rooms  # noqa: E402


@functools.cache
def filled(name: str) -> str:
    return generated.fill((DOCS / name).read_text(encoding="utf-8"))


def sentences() -> str:
    return " ".join(filled("results.md").split())


def read(path: str) -> dict:
    return json.loads((RESULTS / path).read_text(encoding="utf-8"))


def figure(metrics: dict, name: str) -> str:
    return "{value:.3f} ({low:.3f} to {high:.3f})".format(**metrics[name])


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*/report.json")), ids=lambda path: path.parent.name)
def test_every_report_has_its_row(path):
    """And the row has its figures and, where an epoch was chosen on clips, what it reached on these."""
    report, name = read(f"{path.parent.name}/report.json"), path.parent.name
    (row,) = [line for line in filled("results.md").splitlines() if f"](results/{name}/report.md)" in line]
    for key in ("accuracy", "map", "map@3") if report["task"] == "one" else ("map",):
        assert figure(report["metrics"], key) in cells(row)
    for way in (report.get("events") or {"rows": []})["rows"]:
        assert figure(way, f"event_f1_{report['events']['settings']['collars'][0]:g}") in cells(row)
    protocol = report["protocol"]
    if report.get("events"):
        return
    chosen = protocol["chosen"] if "chosen" in protocol else protocol["by fold"][protocol["folds"][0]]["chosen"]
    epoch = f"{chosen['epoch']} of {chosen['of']}"
    if name.startswith("esc10-") and not name.endswith("-shipped"):
        assert chosen["by"] == "best validation loss" and epoch in cells(row)
        assert f"{protocol['validation']['accuracy']:.3f}" in cells(row)
    else:
        assert f"{epoch}, {chosen['by']}" in cells(row)


def test_a_system_s_row_tells_what_it_is():
    (row,) = [line for line in filled("results.md").splitlines() if line.startswith("| [esc10-cnncomb]")]
    assert cells(row)[1:6] == [
        "004",
        "Raw waveform and log-mel",
        "CNN_COMB",
        "scratch",
        "17 of 30",
    ]


def test_the_figures_over_folds_are_those_of_the_comparison():
    comparison = read("esc10-folds/comparison.json")
    for system in comparison["systems"]:
        (row,) = [line for line in filled("results.md").splitlines() if line.startswith(f"| {system['name']} |")]
        assert cells(row)[4:] == [
            figures.figure(system["metrics"], key) for key in ("accuracy", "map", "map@3", "log_loss")
        ]
    (row,) = [line for line in filled("results.md").splitlines() if line.startswith("| bankresnet |")]
    assert cells(row)[1:4] == ["scratch", "12 of 12, the last epoch", "1"]
    (row,) = [line for line in filled("results.md").splitlines() if line.startswith("| all three kinds, rank |")]
    assert cells(row)[1:4] == ["its members'", "–", "–"]
    shown = figures.pairs("esc10-folds").splitlines()[2:]
    systems = len(comparison["systems"])
    assert len(shown) == systems * (systems - 1) // 2


def esc10_scores(file: Path):
    """(ids, the number of each tag's category as ESC-10's names end with it, probabilities (clips, tags)), clips by their ids."""
    category = {"dog": 0, "rooster": 1, "rain": 10, "sea_waves": 11, "crackling_fire": 12, "crying_baby": 20}
    category |= {"sneezing": 21, "clock_tick": 38, "helicopter": 40, "chainsaw": 41}
    scores = Scores.load(file)
    order = np.argsort(scores.ids)
    numbers = np.array([category[tag] for tag in scores.tags])
    return [str(scores.ids[row]) for row in order], numbers, np.asarray(scores.values, float)[order]


def test_the_figures_without_the_fold_that_settled_and_of_agreement():
    """Counted here from the scores and the names of ESC-10's clips: fold-…-category."""

    def right(ids, numbers, values):
        return numbers[values.argmax(1)] == [int(name.split("-")[-1]) for name in ids]

    names = ("cnnspec", "cnnspec-finetuned", "bankresnet", "resnet-c-att-narrow")
    told = [esc10_scores(RESULTS / "esc10-folds" / name / "scores.parquet") for name in names]
    others = np.array([not name.startswith("4-") for name in told[0][0]])
    assert others.sum() == 320
    assert all(ids == told[0][0] and (numbers == told[0][1]).all() for ids, numbers, _ in told)
    a, b, c, d = (f"{right(*each)[others].mean():.3f}" for each in told)
    together = np.exp(sum(np.log(np.maximum(values, 1e-12)) for _, _, values in told[1:]) / 3)
    all_three = f"{right(*told[0][:2], together)[others].mean():.3f}"
    assert (
        f"and the ResNet are {a}, {b}, {c} and {d}, that of the last three together, geometric, {all_three}."
        in sentences()
    )
    spec, bank = right(*told[1]), right(*told[2])
    both, neither = 100 * (spec & bank).mean(), 100 * (~spec & ~bank).mean()
    assert f"both right on {both:.1f} % of the clips, and both wrong on {neither:.1f} %." in sentences()


def test_the_figures_of_a_net_that_others_taught():
    """Of the kept trainings of bankresnet with one seed, by who taught it and by the fold that tested it."""
    told: dict[tuple[bool, str], tuple[float, float]] = {}
    for folder in (RESULTS / "claims" / "trainings").glob("bankresnet-*"):
        plan = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
        if plan["seed"] != 1:
            continue
        ids, numbers, values = esc10_scores(folder / "scores.parquet")
        wanted = numbers[None] == np.array([int(name.split("-")[-1]) for name in ids])[:, None]
        losses = -np.log(np.maximum(values[wanted], 1e-7))
        told[plan.get("distil") is not None, plan["data"]["test"][0]] = (
            float((wanted.argmax(1) == values.argmax(1)).mean()),
            losses.mean(),
        )
    students = [told[True, fold] for fold in "12345"]
    accuracy, loss = (float(np.mean(each)) for each in zip(*students, strict=True))
    page = " ".join(filled("systems.md").split())
    assert f"over all five folds: accuracy {accuracy:.3f}, log loss {loss:.3f}," in page
    own = read("esc10-folds/bankresnet/report.json")["metrics"]
    assert f"with another seed, has {own['accuracy']['value']:.3f} and {own['log_loss']['value']:.3f}." in page
    with_them, without = (" and ".join(f"{told[taught, fold][1]:.3f}" for fold in "12") for taught in (True, False))
    assert f"its log loss is {with_them} with them, {without} without." in page


def test_the_figures_of_nets_of_textures():
    told = {
        name: read(f"esc10-folds/{name}/report.json")["metrics"]
        for name in ("texture", "texture-2", "banktexture", "bankresnet")
    }
    accuracy, loss = (
        {name: each[metric]["value"] for name, each in told.items()} for metric in ("accuracy", "log_loss")
    )
    page = " ".join(filled("systems.md").split())
    assert (
        f"it gets to {accuracy['banktexture']:.3f} of ESC-10's clips over all folds, log loss {loss['banktexture']:.3f},"
        in page
    )
    assert f"where `bankresnet` gets to {accuracy['bankresnet']:.3f} and {loss['bankresnet']:.3f}." in page
    assert f"its log loss is {loss['banktexture']:.3f} and that of `texture` {loss['texture']:.3f}." in page
    assert round(400 * (accuracy["texture"] - accuracy["texture-2"])) == 5
    assert "two trainings, which differ in their seed alone and by five clips," in sentences()


def test_the_accuracy_of_a_speaker_never_heard_is_that_which_chose():
    assert (
        f"gets {read('fsdd-samplecnn/report.json')['protocol']['validation']['accuracy']:.3f}, its accuracy"
        in sentences()
    )


def test_the_claims_are_those_of_the_results():
    """Each statement that holds or does not hold has a row; the rest is counted."""
    told = [json.loads(file.read_text(encoding="utf-8")) for file in sorted((RESULTS / "claims").glob("*.json"))]
    every = [(one, each) for one in told for each in one["statements"]]
    decided = [(one, each) for one, each in every if each["verdict"] in ("holds", "does not hold")]
    assert [line for line in filled("results.md").splitlines() if "](results/claims/" in line] == [
        f"| {figures.of(one['paper'])} | [{each['statement']}](results/claims/{one['claim']}.md) | {each['verdict']} |"
        for one, each in decided
    ]
    assert f"Of {len(every)} statements, {len(decided)} are decided." in filled("results.md")
    rest = [each["verdict"] for _, each in every if each["verdict"] not in ("holds", "does not hold")]
    for verdict in set(rest):
        assert f"{verdict}: {rest.count(verdict)}" in filled("results.md")


def test_the_speeds_are_those_of_the_benchmark():
    page = filled("speed.md")
    parts = read("bench.json")["parts"]
    goals = [goal for part in parts.values() for goal in part["goals"]]
    assert len(goals) >= 6
    met = {True: "met", False: "**missed**"}
    for goal in goals:
        sign = "≥" if "at_least" in goal else "≤"
        limit = goal.get("at_least", goal.get("at_most"))
        reached = goal["value"] >= limit if sign == "≥" else goal["value"] <= limit
        assert f"| {goal['what']} | {goal['value']:.2f} | {sign} {limit:g} | {met[reached]} |" in page
    pages = page + filled("overlap.md") + filled("long.md") + filled("asking.md") + filled("cluster.md")
    for part in parts.values():
        for table in part["tables"]:
            assert f"**{table['title']}**" in pages


def test_a_part_that_was_not_measured_is_refused():
    with pytest.raises(ValueError, match=r"'dekode': no such part of results/bench.md; there are decode, logmel"):
        figures.measured("dekode")


def test_every_module_is_on_the_map():
    page = filled("map.md")
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page, re.S | re.M))
    assert sorted(name.rstrip("/") for name in sections) == rooms.entries()
    known = 0
    for name in rooms.entries():
        room = rooms.SOURCE / name
        for file in sorted(room.rglob("*.py")) if room.is_dir() else []:
            summary = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))).splitlines()[0]
            line = f"| `{file.relative_to(room).as_posix()}` | {figures.cell_of(summary)} |"
            assert (line if file.parent != room or file.name != "__init__.py" else summary) in sections[f"{name}/"]
            known += 1
    assert known > 150


def test_floors_are_read_from_the_layers(tmp_path):
    file = tmp_path / "layers"
    other = "[importlinter:contract:inside]\ntype = layers\ncontainers = earmark.a\nlayers =\n    x\n    y\n"
    file.write_text(
        f"[importlinter]\nroot_package = earmark\n{other}"
        "[importlinter:contract:all]\ntype = layers\ncontainers = earmark\nlayers =\n    top\n    a | b_c : d\n    low\n"
    )
    assert rooms.floors(file) == {"top": 2, "a": 1, "b_c": 1, "d": 1, "low": 0}
    file.write_text(other)
    with pytest.raises(ValueError, match="no contract of type layers with the container earmark"):
        rooms.floors(file)


def test_a_module_without_a_docstring_is_refused(tmp_path):
    (tmp_path / "bare.py").write_text("x = 1\n")
    with pytest.raises(ValueError, match=r"bare\.py: no docstring to tell what it is for"):
        rooms.summary(tmp_path / "bare.py")
