"""The README's commands do what it says, and its figures are those of `results/`."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.program import earmark

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "docs"))
import rooms  # noqa: E402

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Of the training that the README shows, only that it runs is tested here: a small net for one epoch
QUICK = " --set train.epochs=1 --set train.clips=8 --set train.batch=4 --set train.precision=float32"
SMALL = {
    "esc10-cnnspec": QUICK + " --set net.widths=[4,4,4,4,4,4] --set net.hidden=8",
    "esc10-bankresnet": QUICK
    + " --set net.widths=[8,8,8,8] --set windows.hop=3.0 --set phases.finetune.train.epochs=1",
}


FEWER = {
    "compare": " --permutations 200 --resamples 50",
    "evaluate": " --resamples 50",
    "bench windows": " --seconds 3 --rounds 1",
}


pytestmark = pytest.mark.usefixtures("sketched")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


@pytest.fixture(scope="module")
def place(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the README's commands name."""
    folder = tmp_path_factory.mktemp("readme")
    audio = data / "esc10" / "audio"
    clips = sorted(audio.glob("5-*-0.ogg"))
    for tag, number in (("dog", 0), ("rooster", 1)):
        (folder / "sounds" / tag).mkdir(parents=True)
        for clip in sorted(audio.glob(f"[12]-*-{number}.ogg"))[:5]:
            shutil.copy(clip, folder / "sounds" / tag)
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


def run(line: str) -> object:
    """Run a command line in this process; what it ends with, None or a status."""
    from tests.program import get_command

    from earmark import cli

    return get_command(cli.app).main(shlex.split(line)[1:], standalone_mode=False)


def test_the_shell_lines(place, monkeypatch):
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("earmark")]
    verbs = {"tag", "show", "index", "train", "evaluate", "compare", "audit", "events", "embed"}
    assert {line.split()[1] for line in lines} == verbs
    monkeypatch.chdir(place)
    for line in lines:
        command = line.partition("#")[0]
        if " train " in command:
            command += SMALL[line.split()[2]]
        for verb, fewer in FEWER.items():
            command += fewer if command.startswith(f"earmark {verb} ") else ""
        done = earmark(*shlex.split(command)[1:], cwd=place)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    assert (place / "pictures" / "dog.ogg.png").is_file()
    assert (place / "runs" / "f" / "evaluation" / "report.md").is_file()


def test_make_knows_the_two_commands():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make (\w+)", blocks("sh")[0], re.M)
    assert len(targets) == 2
    for target in targets:
        assert f"\n{target}: setup\n" in makefile


def test_the_rooms_are_those_of_the_source():
    """Each line: the room as `ls` shows it, its floor as import-linter keeps it, what it is for."""
    (block,) = blocks("text")
    lines = [re.fullmatch(r"(\S+) +(\d+)  (\S.*)", line) for line in block.splitlines()]
    assert all(lines), block
    floors = rooms.floors()
    assert sorted(line[1].rstrip("/") for line in lines) == rooms.entries()
    assert {line[1]: int(line[2]) for line in lines} == {
        line[1]: floors[line[1].removesuffix(".py").rstrip("/")] for line in lines
    }
    assert [int(line[2]) for line in lines] == sorted(int(line[2]) for line in lines)


def figure(report: dict, name: str) -> str:
    told = report["metrics"][name]
    return f"{told['value']:.3f} ({told['low']:.3f} to {told['high']:.3f})"


def told_of(name: str) -> dict:
    return json.loads((ROOT / "results" / name).read_text(encoding="utf-8"))


def test_the_figures_are_those_of_the_results():
    systems = {each["name"]: each for each in told_of("esc10-folds/comparison.json")["systems"]}
    shown = {
        "| [`esc10`](results/esc10-shipped/report.md) |": told_of("esc10-shipped/report.json"),
        "| [`digits`' recipe](results/digits-speakers/report.md) |": told_of("digits-speakers/report.json"),
        "| [a net on raw waveforms](results/esc10-folds/comparison.md) |": systems["bankresnet"],
        "| [six nets together](results/esc10-folds/comparison.md) |": systems[
            "all five kinds, two seeds of texture, geometric"
        ],
        "| [a head on YAMNet, adopted](results/adopted/esc10-head/report.md) |": told_of(
            "adopted/esc10-head/report.json"
        ),
    }
    for opening, told in shown.items():
        (row,) = [line for line in README.splitlines() if line.startswith(opening)]
        assert row.endswith(f"| {figure(told, 'accuracy')} | {figure(told, 'map')} |")
        clips = told.get("clips") or told_of("esc10-folds/comparison.json")["clips"]
        assert f": {clips:,} clips |" in row


def test_it_is_short():
    assert len(README.splitlines()) <= 120


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)", README)
    assert len(links) > 25
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing


def test_the_taggers_know_what_it_says():
    from earmark.models.file import read_head
    from earmark.models.loading import shipped

    text = " ".join(README.split())
    tags = sorted(tag.replace("_", " ") for tag in read_head(shipped()["esc10"])["vocabulary"])
    assert len(tags) == 10 and f"knows ten sounds: {', '.join(tags)}." in text
    assert sorted(read_head(shipped()["digits"])["vocabulary"]) == list("0123456789")


@pytest.mark.parametrize("name", ["digits", "esc10", "esc10-small"])
def test_the_card_and_the_tagger_tell_the_same_figures(name):
    from earmark.models.file import read_head
    from earmark.models.loading import shipped

    report = json.loads((ROOT / "results" / f"{name}-shipped" / "report.json").read_text(encoding="utf-8"))
    path = shipped()[name]
    told = read_head(path)["facts"]["test"]["metrics"]
    # metrics that came later stand in the report alone
    assert told and told == {metric: report["metrics"][metric] for metric in told}
    assert path.stat().st_size <= 12_500_000  # of esc10 a fifth is the net in int8
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    for metric in ("accuracy", "map", "map@3"):
        assert figure(report, metric) in card
