"""The README's commands do what it says, and its figures are those of `results/`."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.program import earmark

from earmark.scores import Scores

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
# Of the training that the README shows, only that it runs is tested here: a small net for one epoch
QUICK = " --set train.epochs=1 --set train.clips=16 --set net.hidden=8 --set train.precision=float32"
SMALL = {
    "esc10-cnnspec": QUICK + " --set net.widths=[4,4,4,4,4,4]",
    "esc10-cnnaudio": QUICK + " --set net.widths=[4,4,4,4] --set windows.hop=2.0",
}


FEWER = {
    "compare": " --permutations 200 --resamples 50",
    "evaluate": " --resamples 50",
    "bench windows": " --seconds 3 --rounds 1",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


@pytest.fixture(scope="module")
def place(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the README's commands name."""
    folder = tmp_path_factory.mktemp("readme")
    table = (data / "esc10" / "meta" / "esc10.csv").read_text(encoding="utf-8").splitlines()
    (folder / "ESC-10" / "meta").mkdir(parents=True)
    (folder / "ESC-10" / "audio").mkdir()
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for row in table[1:]:  # a clip of each tag in each fold
        name, fold, category = row.split(",")[:3]
        seen[fold, category] += 1
        if seen[fold, category] == 1:
            (folder / "ESC-10" / "audio" / name).symlink_to(data / "esc10" / "audio" / name)
            kept.append(row)
    (folder / "ESC-10" / "meta" / "esc10.csv").write_text("\n".join([table[0], *kept]) + "\n", encoding="utf-8")
    clips = sorted((data / "esc10" / "audio").glob("5-*-0.ogg"))
    shutil.copy(clips[0], folder / "dog.ogg")
    shutil.copy(clips[1], folder / "street.wav")  # an Ogg file by a wrong name, as happens
    (folder / "recordings").mkdir()
    shutil.copy(clips[2], folder / "recordings")
    return folder


def test_the_python_lines(place):
    (code,) = blocks("python")
    code = (
        code.replace("tagger.tag", "tags = tagger.tag")
        + "\nassert tags[0].label == 'dog' and tags[0].score > 0.5, tags"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_shell_lines(place):
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("earmark")]
    verbs = {
        "bench",
        "list",
        "index",
        "check",
        "train",
        "evaluate",
        "compare",
        "ensemble",
        "events",
        "audit",
        "tag",
        "show",
    }
    assert {line.split()[1] for line in lines} == verbs
    for line in lines:
        command = line.partition("#")[0]
        if " train " in command:
            command += SMALL[line.split()[2]]
        for verb, fewer in FEWER.items():
            command += fewer if command.startswith(f"earmark {verb} ") else ""
        done = earmark(*shlex.split(command)[1:], cwd=place)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    assert (place / "pictures" / "dog.ogg.png").is_file()
    assert (place / "report" / "report.md").is_file()


def test_make_knows_the_two_commands():
    makefile = (ROOT / "Makefile").read_text()
    for line in blocks("sh")[0].splitlines():
        target = line.split("#")[0].split()[1]
        assert f"\n{target}: setup\n" in makefile


def test_the_tree_names_every_module():
    (tree,) = blocks("text")
    for path in (ROOT / "src" / "earmark").rglob("*.py"):
        if path.name not in ("__init__.py", "__main__.py"):
            assert path.name in tree, f"{path} is missing in the README's tree"


def figure(report: dict, name: str) -> str:
    told = report["metrics"][name]
    return f"{told['value']:.3f} ({told['low']:.3f} to {told['high']:.3f})"


@pytest.mark.parametrize("path", sorted((ROOT / "results").glob("*/report.json")), ids=lambda path: path.parent.name)
def test_the_figures_are_those_of_the_results(path):
    report = json.loads(path.read_text(encoding="utf-8"))
    (row,) = [line for line in README.splitlines() if f"](results/{path.parent.name}/" in line]
    for name in ("accuracy", "map", "map@3") if report["task"] == "one" else ("map",):
        assert figure(report, name) in row
    for way in (report.get("events") or {"rows": []})["rows"]:
        collar = f"event_f1_{report['events']['settings']['collars'][0]:g}"
        assert figure({"metrics": way}, collar) in row


def test_the_figures_over_folds_are_those_of_the_comparison():
    comparison = json.loads((ROOT / "results" / "esc10-folds" / "comparison.json").read_text(encoding="utf-8"))
    rows = README.splitlines()
    for system in comparison["systems"]:
        (row,) = [line for line in rows if line.startswith(f"| {system['name']} |")]
        for name in ("accuracy", "map", "map@3"):
            assert figure(system, name) in row


def test_the_figures_without_the_fold_that_settled_and_of_agreement():
    """Counted here from the scores and the names of ESC-10's clips: fold-…-category."""
    category = {"dog": 0, "rooster": 1, "rain": 10, "sea_waves": 11, "crackling_fire": 12, "crying_baby": 20}
    category |= {"sneezing": 21, "clock_tick": 38, "helicopter": 40, "chainsaw": 41}

    def probabilities(name):
        scores = Scores.load(ROOT / "results" / "esc10-folds" / name / "scores.parquet")
        order = np.argsort(scores.ids)
        ids = [str(scores.ids[row]) for row in order]
        numbers = np.array([category[tag] for tag in scores.tags])
        return ids, numbers, np.asarray(scores.values, float)[order]

    def right(ids, numbers, values):
        return numbers[values.argmax(1)] == [int(name.split("-")[-1]) for name in ids]

    names = ("cnnspec", "cnnspec-finetuned", "bankresnet", "resnet-c-att-narrow")
    told = [probabilities(name) for name in names]
    others = np.array([not name.startswith("4-") for name in told[0][0]])
    assert others.sum() == 320
    assert all(ids == told[0][0] and (numbers == told[0][1]).all() for ids, numbers, _ in told)
    a, b, c, d = (f"{right(*each)[others].mean():.3f}" for each in told)
    together = np.exp(sum(np.log(np.maximum(values, 1e-12)) for _, _, values in told[1:]) / 3)
    all_three = f"{right(*told[0][:2], together)[others].mean():.3f}"
    text = " ".join(README.split())
    assert f"and the ResNet are {a}, {b}, {c} and {d}, that of the last three together, geometric, {all_three}." in text
    spec, bank = right(*told[1]), right(*told[2])
    both, neither = 100 * (spec & bank).mean(), 100 * (~spec & ~bank).mean()
    assert f"both right on {both:.1f} % of the clips, and both wrong on {neither:.1f} %." in text


def test_the_claims_are_those_of_the_results():
    """What holds or does not hold has a row each; the rest is counted."""
    files = sorted((ROOT / "results" / "claims").glob("*.json"))
    told = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    decided = [each for each in told if not each["verdict"].startswith("cannot")]
    rows = [line for line in README.splitlines() if "](results/claims/" in line]
    assert rows == [
        f"| {each['paper']} | [{each['statement']}](results/claims/{each['claim']}.md) | {each['verdict']} |"
        for each in decided
    ]
    assert f"the other {len(told) - len(decided)} of {len(told)} cannot be told at this size" in " ".join(
        README.split()
    )


@pytest.mark.parametrize("name", ["digits", "esc10"])
def test_the_card_and_the_tagger_tell_the_same_figures(name):
    from earmark.tagger import read_head, shipped

    report = json.loads((ROOT / "results" / f"{name}-shipped" / "report.json").read_text(encoding="utf-8"))
    path = shipped()[name]
    assert read_head(path)["facts"]["test"]["metrics"] == report["metrics"]
    assert path.stat().st_size <= 10_000_000
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    for metric in ("accuracy", "map", "map@3"):
        assert figure(report, metric) in card


def test_the_benchmark_figures_are_those_of_the_results():
    bench = json.loads((ROOT / "results" / "bench.json").read_text(encoding="utf-8"))
    goals = [goal for part in bench["parts"].values() for goal in part["goals"]]
    assert len(goals) >= 6
    for goal in goals:
        assert f"| {goal['what']} | {goal['value']:.2f} |" in README
