"""What several tests share: the place of the real recordings, and tones with known content."""

from __future__ import annotations

import copy
import functools
import gc
import hashlib
import json
import os
import pickle
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from _pytest.doctest import DoctestModule
from numpy.typing import NDArray
from tests import program, rounding

from earmark.data import manifest as manifests
from earmark.recipe import text as texts

ROOT = Path(__file__).parent.parent

# Behind a shell's & it is ignored, and so it would be in all programs that tests start
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

parsed = functools.cache(texts.plain)
# Shipped recipes are loaded some thousands of times, and two thirds of loading is YAML's: each text is parsed once
texts.plain = lambda text: copy.deepcopy(parsed(text))


# They import torch, and compute neither features nor nets nor scores
SCORELESS = {
    "test_ahead.py", "test_benchmarks.py", "test_course.py", "test_devices.py", "test_loader.py", "test_plugin_kinds.py",
    "test_recipe.py", "test_renaming.py",
}  # fmt: skip


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path):
    """Examples in docstrings are the source's: to look for some in each file of tests takes seconds in every process.

    So does it to import what a lesser machine does not run.
    """
    found = yield
    if found and os.environ.get("LESSER") and "torch" not in file_path.read_text(encoding="utf-8"):
        return []
    return [each for each in found if not isinstance(each, DoctestModule)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make test-lesser` runs as a lesser machine what computes features, nets and scores: tests of files that import torch.

    Those of trainings, which import `training`, are left out: they promise nothing across machines. So are those in tests/cli
    and tests/files, whose commands score something and say nothing of the scores, those of augmentations, and `SCORELESS`.

    Files that hold tests of minutes come first, or one process would be left with such a test when all else is done.
    """
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)
    for item in items:
        names = vars(getattr(item, "module", item))
        left_out = item.path.parent.name in ("augment", "cli", "files") or item.path.name in SCORELESS
        if "torch" in names and "training" not in names and not left_out:
            item.add_marker("numerical")


def pytest_configure() -> None:
    """What is imported to find the tests is not looked through for what is left over, again and again while it grows."""
    gc.disable()


def pytest_collection_finish() -> None:
    """And what is there by then stays: to look through all of it while tests run took three seconds of ten."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_runtest_setup() -> None:
    """Each export reads the code of a thousand functions anew, half a second of work: they are kept from the first on.

    And the graph of a net, two seconds of tracing, is made once in a run: tests export the same small nets again and again.
    """
    library = sys.modules.get("onnxscript._framework_apis.torch_2_11")  # where torch's exporter looks for them
    if library is not None and not hasattr(library.get_torchlib_ops, "cache_info"):
        library.get_torchlib_ops = functools.cache(library.get_torchlib_ops)
    export = sys.modules.get("earmark.models.export")
    if export is not None and not hasattr(export.body, "__wrapped__"):
        for name in ("body", "stretch", "whole"):
            setattr(export, name, traced_once(getattr(export, name)))


def traced_once(export):
    """`export` of a tagger, kept in files by all that a graph hangs on: weights, layers, recipe and vocabulary.

    It writes each file whole, so that two processes that trace the same net at the same time do no harm.
    """

    @functools.wraps(export)
    def once(tagger, *given, **named):
        key = hashlib.sha256(f"{export.__name__} {given} {named} {tagger.training} {tagger}".encode())
        key.update(json.dumps([tagger.recipe.as_dict(), list(tagger.vocabulary)], default=str).encode())
        for name, value in tagger.state_dict().items():
            key.update(f"{name} {value.dtype} {tuple(value.shape)}".encode() + value.detach().cpu().numpy().tobytes())
        file = Path(os.environ["TESTS_SHARED"]) / f"graph-{key.hexdigest()}"
        if not file.exists():
            part = file.with_suffix(f".{os.getpid()}")
            part.write_bytes(pickle.dumps(export(tagger, *given, **named)))
            part.replace(file)
        return pickle.loads(file.read_bytes())

    return once


@pytest.fixture(scope="session", autouse=True)
def _remembered(tmp_path_factory):
    """What engines were found to be lies in a folder that the processes of a run share, and graphs that were traced do."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    os.environ["EARMARK_CACHE"] = str(shared / "cache")
    os.environ["TESTS_SHARED"] = str(shared)


@pytest.fixture(scope="session", autouse=True)
def _rounding():
    """With LESSER=1 in the environment, as `make test-lesser` sets it: no test may hang on the last bits of scores."""
    if not os.environ.get("LESSER"):
        yield
        return
    from torch.nn.modules.module import register_module_forward_hook

    handle = register_module_forward_hook(rounding.rounded_by_batch)
    yield
    handle.remove()


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real recordings; tests that need it are skipped where it is absent."""
    # set to nothing it names no folder: Path("") would be the working folder
    place = Path(os.environ.get("EARMARK_DATA", ROOT.parent / "shared" / "data") or os.devnull)
    if not place.is_dir():
        pytest.skip(f"no recordings at {place}: set EARMARK_DATA to their folder")
    return place


@pytest.fixture
def run(capsys):
    """Runs a command in this process: (exit status, what it prints, what it says). Errors come out as they are."""

    def command(*arguments) -> tuple[int, str, str]:
        status = program.command(*arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return command


# A picture of one grey point


@pytest.fixture(scope="module")
def sketched():
    """Of each kind of picture the first in a module is drawn, but small and without being laid out; of the others that one is
    written again: half the time of a small training is its curves. For tests of whole commands.

    How they look is tested where they are made, in tests/report and test_pictures, and where commands are about them.
    """
    from matplotlib.figure import Figure

    save, drawn = Figure.savefig, {}

    def sketch(figure: Figure, path: Path, **told) -> None:
        kind = sys._getframe(2).f_code, Path(path).suffix  # what handed the figure to `style.save`
        if kind in drawn:
            Path(path).write_bytes(drawn[kind])
            return
        figure.set_layout_engine(None)  # with "none" it is drawn twice
        save(figure, path, **{**told, "dpi": 20})
        drawn[kind] = Path(path).read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", sketch)
        yield


def tone(frequency: float, seconds: float, sample_rate: int, amplitude: float = 0.5) -> NDArray[np.float32]:
    """A sine of `frequency` Hz, (samples,) float32."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    return (amplitude * np.sin(2 * np.pi * frequency * t)).astype(np.float32)


TONE_RATE = 4000
PITCHES = {"low": 200, "middle": 600, "high": 1500}


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Tones of three pitches in noise: 3 tags × 5 folds × 4 clips, a group for each."""
    folder = tmp_path_factory.mktemp("tones")
    generator = np.random.default_rng(0)
    columns = {"id": [], "path": [], "tags": [], "fold": [], "group": []}
    for fold in range(1, 6):
        for take in range(4):
            for tag, pitch in PITCHES.items():
                t = np.arange(int(TONE_RATE * generator.uniform(0.6, 1.2))) / TONE_RATE
                wave = 0.3 * np.sin(2 * np.pi * pitch * generator.uniform(0.95, 1.05) * t + generator.uniform(0, 6))
                wave += generator.normal(0, 0.05, len(t))
                name = f"{tag}-{fold}-{take}.wav"
                soundfile.write(folder / name, wave.astype(np.float32), TONE_RATE)
                for key, value in (("id", name), ("path", name), ("tags", [tag]), ("fold", str(fold)), ("group", name)):
                    columns[key].append(value)
    return manifests.build(columns, folder)
