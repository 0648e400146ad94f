"""The documentation's commands do what it says, in the order of each page; its tables hold what the program says.

A page's blocks run in one folder: `sh` the lines that open with earmark, `python` as it is, and `yaml` and `csv` blocks that
open with a file's name are written under it. A line that ends with `# refused: …` has to fail and to say that.
"""

from __future__ import annotations

import csv
import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from earmark import recipe
from earmark.errors import EarmarkError
from earmark.registry import AUGMENTATIONS, FEATURES, NETS
from earmark.scores import Scores

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
sys.path.append(str(DOCS))  # as MkDocs does for a hook
import generated  # noqa: E402

pytestmark = pytest.mark.usefixtures("sketched")

PAGES = sorted(DOCS.rglob("*.md"))
# Of the trainings that are shown, only that they run is tested here: small nets for one epoch
QUICK = "--set train.epochs=1 --set train.clips=8 --set train.batch=4 --set train.precision=float32"
SMALL = {
    "mine.yaml": "--set net.widths=[4,4,4,4,4,4] --set net.hidden=8",
    "esc10-cnnspec": "--set net.widths=[4,4,4,4,4,4] --set net.hidden=8",
    "esc10-rese2multi": "--set net.widths=[4,4,4,4,4,4,4,4]",
    "scenes-resnet-b-att": "--set net.widths=[4,4,4,4] --set net.blocks=[1,1,1,1]",
}
FEWER = {
    "compare": "--permutations 200 --resamples 50",
    "evaluate": "--resamples 50",
    "soundscapes": "--length 2 --scenes 2",
}
FEWER |= {"calibrate": "--resamples 50", "explain": "--filters 1 --steps 2", "export": "--windows 4"}
FEWER |= {"bench engines": "--rounds 1"}


def blocks(page: Path) -> list[tuple[str, str]]:
    """(language, text) of each block, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.S | re.M)


def noise(path: Path, seed: int, seconds: float = 0.5, rate: int = 16_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate)), rate)


@pytest.fixture(scope="module")
def esc10(tmp_path_factory) -> Path:
    """The layout of ESC-10 with its names, folds, tags and uploads, as the results have them, and noise for sounds."""
    folder = tmp_path_factory.mktemp("esc") / "ESC-10"
    scores = Scores.load(ROOT / "results" / "esc10-folds" / "cnnspec" / "scores.parquet")
    targets = sorted({int(name.split("-")[3]) for name in scores.ids.tolist()})
    (folder / "meta").mkdir(parents=True)
    with (folder / "meta" / "esc10.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["filename", "fold", "target", "category", "esc10", "src_file", "take"])
        for row, name in enumerate(scores.ids.tolist()):
            fold, upload, take, target = name.split("-")
            tag = scores.tags[targets.index(int(target))]
            table.writerow([f"{name}.wav", fold, target, tag, True, upload, take])
            noise(folder / "audio" / f"{name}.wav", row, seconds=0.1)
    return folder


@pytest.fixture
def place(tmp_path, esc10, monkeypatch) -> Path:
    """A folder that holds what the pages name."""
    for seed, name in enumerate(("dog.wav", "recordings/a.wav", "recordings/b.wav")):
        noise(tmp_path / name, seed, seconds=1)
    (tmp_path / "dog.wav").rename(tmp_path / "dog.ogg")  # by a wrong name, as happens
    for seed in range(15):
        noise(tmp_path / "sounds" / ("owl", "frog", "cricket")[seed % 3] / f"night{seed // 3}-{seed}.wav", seed)
    (tmp_path / "ESC-10").symlink_to(esc10)
    (tmp_path / "results").symlink_to(ROOT / "results")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(line: str) -> str:
    """Run a command line in this process; what it says if it is refused, else nothing."""
    from tests.program import get_command
    from typer import Exit

    from earmark import cli

    arguments = shlex.split(line)[1:]
    if arguments[0] == "train":
        arguments += shlex.split(f"{QUICK} {SMALL[arguments[1]]}")
    if arguments[:2] != ["explain", "digits"]:  # which hears maps, and has no filters to be maximised
        arguments += shlex.split(FEWER.get(arguments[0]) or FEWER.get(" ".join(arguments[:2]), ""))
    if arguments[:2] == ["explain", "runs/raw/tagger.safetensors"] and "--layers" not in arguments:
        arguments += ["--layers", "1-2"]  # of eight, and longer inputs the deeper they lie
    try:
        told = get_command(cli.app).main(arguments, standalone_mode=False)
    except EarmarkError as error:
        return str(error)
    except Exit as leave:
        told = leave.exit_code
    return f"status {told}" if told else ""


def trainings(page: Path) -> list[list[str]]:
    """The words behind `train` of each command that a page shows, whether it is run here or not."""
    text = "\n".join(inner for language, inner in blocks(page) if language in ("sh", "bash")).replace("\\\n", " ")
    lines = [line.partition("  #")[0] for line in text.splitlines() if "# refused:" not in line]
    return [shlex.split(told[1]) for line in lines if (told := re.search(r"\bearmark +train +(.+)", line))]


@pytest.mark.parametrize("page", [page for page in PAGES if trainings(page)], ids=lambda page: page.stem)
def test_a_training_that_is_shown_is_one_that_begins(page):
    """As far as `earmark check` goes: those that need data, a store or a GPU are run nowhere here."""
    for words in trainings(page):
        settings = [words[at + 1] for at, word in enumerate(words) if word == "--set"]
        if words[0] in recipe.shipped():
            recipe.load(words[0], settings)
        else:  # a file, which the page writes, or an option: --from
            assert not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", words[0]), f"no such recipe: {words[0]}"


def shell(text: str, capsys) -> None:
    for line in text.replace("\\\n", " ").splitlines():
        command, _, comment = line.partition("  #")
        if not command.startswith("earmark "):
            continue
        said = run(command)
        said += capsys.readouterr().err if said else ""
        wanted = comment.strip().partition("refused: ")[2]
        assert (wanted in said) if wanted else said == "", (line, said)


DEVELOPING = {"dev", "docs", "bench"}  # extras of those who work on it
LONG = ("engines.md",)  # an export and a run of every engine: a third of all pages' time


def page_marks(page: Path) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] if page.relative_to(DOCS).as_posix() in LONG else []


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=page_marks(page), id=page.relative_to(DOCS).as_posix()) for page in PAGES]
)
def test_the_page_does_what_it_shows(page, place, capsys, monkeypatch):
    shown = [part for part in blocks(page) if part[0] in ("sh", "python", "yaml", "csv")]
    if not shown:
        pytest.skip("shows nothing that runs")
    for language, text in shown:
        name = re.match(r"# (\S+\.(?:yaml|csv))\n", text)
        if language == "sh":
            shell(text, capsys)
        elif language in ("yaml", "csv"):
            (place / name[1]).write_text(text[name.end() :], encoding="utf-8")
        elif not text.startswith("# src/"):  # plug-ins have a test of their own
            exec(compile(text, page.name, "exec"), {})


PLUGGED = """
import importlib, sys, pytest
for home, folder in {homes!r}:
    module = importlib.import_module(home)
    module.__path__.append(folder)
    if hasattr(module, "build"):
        module.app = module.build()
sys.exit(pytest.main(["-p", "no:cacheprovider", "-vv", "-k", {names!r}, *{tests!r}]))
"""
ADDED = ["models/nets/plainnet.py", "data/datasets/pondlife.py", "events/formats/rttm.py", "cli/windows.py"]


@pytest.fixture(scope="module")
def plugged(tmp_path_factory) -> subprocess.CompletedProcess[str]:
    """The tests of contracts with the files of the page in their places, in one program: most of its time is imports."""
    homes, tests = [], []
    for path in ADDED:
        opening, place = f"# src/earmark/{path}\n", Path(path)
        (code,) = [text for _, text in blocks(DOCS / "adding.md") if text.startswith(opening)]
        folder = tmp_path_factory.mktemp(place.stem)
        (folder / place.name).write_text(code.removeprefix(opening), encoding="utf-8")
        (contract,) = ROOT.glob(f"tests/**/{place.parent.name}/test_contract.py")
        homes.append((".".join(["earmark", *place.parent.parts]), str(folder)))
        tests.append(str(contract))
    names = " or ".join(f"[{Path(path).stem}]" for path in ADDED)
    program = PLUGGED.format(homes=homes, names=names, tests=tests)
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("path", ADDED)
def test_the_examples_keep_the_contract(path, plugged):
    """The file as the page shows it is found by its kind, and passes the tests that every other of its kind passes."""
    assert plugged.returncode == 0, plugged.stdout
    passed = rf"/{Path(path).parent.name}/test_contract\.py::\w+\[{Path(path).stem}\] PASSED"
    assert len(re.findall(passed, plugged.stdout)) >= 5, plugged.stdout


def test_every_page_can_be_reached():
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))

    def pages(entries):
        for entry in entries:
            for value in entry.values():
                yield from pages(value) if isinstance(value, list) else [value]

    assert sorted(pages(config["nav"])) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES)


def test_the_five_systems_have_all_nets_and_recipes():
    page = generated.fill((DOCS / "systems.md").read_text(encoding="utf-8"))
    known = [*NETS.names(), *recipe.shipped(), *FEATURES.names(), *AUGMENTATIONS.names()]
    assert len(known) > 60
    for name in known:
        assert page.count(f"| `{name}` |") == 1, name
    # the published totals of papers 002 and 004 are the sums of these two columns
    for name, total in (("convnet1d", 2_099_801), ("cnncomb", 3_136_649)):
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        assert sum(int(cell.replace(",", "")) for cell in row.split("|")[3:5]) == total


def test_costs_and_results_of_several_lines_are_whole(tmp_path):
    file = tmp_path / "r.yaml"
    file.write_text("# earmark train r\n# Cost: two\n# lines.\n# Result: one.\n#\n# More.\nsummary: r\n")
    assert generated.told(file, "Cost") == "two lines"
    assert generated.told(file, "Result") == "one"
    assert generated.told(file, "Weight") == "–"


def test_a_recipe_without_a_report_tells_its_own_result():
    rows = generated.recipes("003").splitlines()
    (row,) = [line for line in rows if line.startswith("| `esc10-resnet-c-att-narrow` |")]
    assert "over all five folds" in row
    (row,) = [line for line in rows if line.startswith("| `esc10-resnet-c-att` |")]
    assert "](results/esc10-resnet-c-att/report.md)" in row


def test_every_key_of_every_recipe_is_told():
    parts = dict(re.findall(r"^## (\S+)[^\n]*\n(.*?)(?=^## |\Z)", generated.sections(), re.S | re.M))
    keys = {title: set(re.findall(r"^\| `(\w+)` \|", text, re.M)) for title, text in parts.items()}
    used = 0
    for path in recipe.shipped().values():
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert set(raw) <= keys["Top"], path
        for title in ("data", "windows", "resize", "train"):
            used += len(raw.get(title, {}))
            assert set(raw.get(title, {})) <= keys[title], path
    assert used > 300
    assert "| `epochs` | `int` | ≥ 1 | must be given |" in parts["train"]
    assert '| `choose` | `loss | segment_loss | accuracy | map` |  | `"loss"` |' in parts["train"]
    assert "| `patience` | `int` | ≥ 1 | `3` |" in parts["train.schedule"]


def test_every_command_and_option_is_told():
    from tests.program import get_command

    from earmark import cli

    page = generated.fill("{{ commands }}")
    sections: dict[str, str] = {}
    for title, text in re.findall(
        r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", page, re.S | re.M
    ):  # `bench windows` belongs to bench
        sections[title.split()[0]] = sections.get(title.split()[0], "") + text
    assert set(sections) == set(cli.verbs())
    for name, command in get_command(cli.app).commands.items():
        for each in getattr(command, "commands", {name: command}).values():
            told = [parameter for parameter in each.params if parameter.name != "help"]
            assert sections[name].count("\n| `") >= len(told), name
            for parameter in told:
                if parameter.param_type_name == "option":
                    assert parameter.opts[0] in sections[name], (name, parameter.opts)


def test_bars_in_tables():
    assert generated.table(["a|b"], [["`x|y` or z|w"]]).splitlines() == ["| a\\|b |", "| --- |", "| `x|y` or z\\|w |"]


def test_a_line_that_nothing_stands_behind_is_refused():
    with pytest.raises(ValueError, match=r"\{\{ figures esc10 \}\}: there is no 'figures'; there are .*names, nets"):
        generated.fill("text\n\n{{ figures esc10 }}\n")


def test_what_a_page_would_fetch_from_elsewhere_is_found():
    assert generated.foreign('<link href="https://fonts.example/a.css" rel="stylesheet">')
    assert generated.foreign('<script src="//cdn.example/a.js"></script>')
    local = '<a href="https://example.org">x</a><img src="a.png"><link rel="canonical" href="https://example.org/">'
    assert not generated.foreign(local)


def test_the_manifest_s_columns_are_told():
    from earmark.data.manifest import SCHEMA

    page = (DOCS / "formats.md").read_text(encoding="utf-8")
    told = [name for row in re.findall(r"^\| (`[^|]*) \|", page, re.M) for name in re.findall(r"`(\w+)`", row)]
    assert told[: len(SCHEMA.names)] == SCHEMA.names


def test_the_documentation_s_packages_are_pinned():
    pins = {line.partition("==")[0].lower() for line in (ROOT / "constraints-dev.txt").read_text().splitlines()}
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["docs"]
    assert {re.split(r"[\[>=]", name)[0].lower() for name in extra} <= pins


def test_modules_that_pages_run_are_ones_that_run():
    """The program is `python -m earmark`, which torchrun is given too."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
    named = {word for page in pages for word in re.findall(r"-m (earmark[\w.]*)", page.read_text(encoding="utf-8"))}
    assert named == {"earmark"} and importlib.util.find_spec("earmark.__main__")


def test_what_no_index_has_is_installed_from_a_checkout():
    """A name alone would bring a stranger's package. Where earmark is installed its extras are added by name: prose says that."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
    lines = [line for page in pages for _, text in blocks(page) for line in text.splitlines() if "pip install" in line]
    assert (
        len(lines) > 4
        and [line for line in lines if re.search(r"install\b.*\s'?earmark\b", line.partition(" &&")[0])] == []
    )
    prose = (DOCS / "cluster.md").read_text(encoding="utf-8")
    assert "'earmark[" not in prose  # of machines on which it is not


def test_every_extra_is_told():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    table = (DOCS / "engines.md").read_text(encoding="utf-8").partition("| extra |")[2].partition("\n\n")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", table, re.M))
    assert set(told) == set(extras) - DEVELOPING
    calls = {"av": "pyav", "sounddevice": "sounddevice", "ray": "ray"}
    for extra, brings in told.items():
        names = [re.split(r"[\[>=]", name)[0].lower() for name in extras[extra]]
        assert [word.strip().lower() for word in brings.split(",")] == [calls.get(name, name) for name in names], extra
