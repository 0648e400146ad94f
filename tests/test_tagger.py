"""Tagger files: what comes back is what was saved, and nothing else comes back."""

import json
import os
import pickle
import pickletools
import struct
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import soundfile
import torch
from tests.program import earmark

from earmark import recipe
from earmark.errors import AudioError, EarmarkError, RecipeError, TaggerError
from earmark.models import devices, loading
from earmark.models import file as taggerfile
from earmark.models.facts import Facts
from earmark.models.file import FORMAT, read_head
from earmark.models.loading import load
from earmark.models.tagger import Tagger, build

RATE = 16_000
RECIPE = {
    "name": "tiny",
    "task": "one",
    "sample_rate": RATE,
    "data": {"dataset": "folder"},
    "windows": {"length": 0.5, "hop": 0.25},
    "features": {"name": "logmel", "window": "512/16000", "hop": "256/16000", "bands": 64},
    "net": {"name": "cnnspec", "widths": [4] * 6, "frame_pools": [2, 1, 1, 1, 1, 1], "hidden": 8},
    "augment": ["crop"],
    "train": {"epochs": 1},
}
TAGS = ("dog", "rain", "Grüße 🐝")


def made(seed: int = 0, tags=TAGS, **changes) -> Tagger:
    """A tiny tagger with weights of its own, in training mode, with running statistics that have run."""
    torch.manual_seed(seed)
    one = build(recipe.parse({**RECIPE, **changes}), tags)
    one(torch.randn(4, RATE // 2))
    return one


def waves(n: int = 3, seed: int = 1):
    return np.random.default_rng(seed).standard_normal((n, RATE // 2)).astype(np.float32) / 4


@pytest.fixture(scope="module")
def one() -> Tagger:
    return made().eval()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    """The bytes of a tagger file."""
    path = tmp_path_factory.mktemp("whole") / "t.safetensors"
    tagger_ = made()
    tagger_.facts = Facts.read({"validation": {"accuracy": 0.75, "loss": 1e-06}})
    tagger_.save(path)
    return path.read_bytes()


@pytest.fixture
def write(tmp_path):
    def to_file(data: bytes) -> Path:
        path = tmp_path / "t.safetensors"
        path.write_bytes(data)
        return path

    return to_file


def refused(path) -> str:
    with pytest.raises(TaggerError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def forged(path: Path, change, weights=None) -> Path:
    """A file whose head `change` has changed, with a checksum that is right."""
    head = read_head(path)
    weights = safetensors.numpy.load_file(path) if weights is None else weights
    head = change(head) or head
    head["sha256"] = taggerfile.digest(weights, {k: v for k, v in head.items() if k != "sha256"})
    safetensors.numpy.save_file(weights, path, {FORMAT: json.dumps(head)})
    return path


# Saving and loading


@pytest.mark.parametrize("task", ["one", "many"])
def test_what_comes_back_is_what_was_saved(tmp_path, task):
    before = made(task=task)
    before.facts = Facts.read({"chosen": {"epoch": 3}, "note": "ä|\"'\n", "figures": [0.1, None, True]})
    before.save(tmp_path / "t.safetensors")
    after = load(tmp_path / "t.safetensors")
    assert not after.training
    assert np.array_equal(before.score(waves()), after.score(waves()))  # bit for bit
    assert after.identity() == before.identity()
    assert after.vocabulary == before.vocabulary == TAGS
    assert after.facts == before.facts
    assert after.recipe == before.recipe
    assert (after.sample_rate, after.task) == (RATE, task)
    after.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "t.safetensors").read_bytes()


def test_a_net_on_raw_waves_comes_back(tmp_path):
    net = {"name": "convnet1d", "widths": [2, 2], "blocks": [1, 1]}
    before = made(net=net, features=None)
    before.save(tmp_path / "t.safetensors")
    after = load(tmp_path / "t.safetensors")
    assert np.array_equal(before.score(waves()), after.score(waves()))
    assert after.identity() == before.identity()


def test_a_net_in_another_memory_layout_comes_back(tmp_path):
    """Training lays 2D weights out with the channels last."""
    before = made()
    before.net.to(memory_format=torch.channels_last)
    before.save(tmp_path / "t.safetensors")
    after = load(tmp_path / "t.safetensors")
    np.testing.assert_allclose(before.score(waves()), after.score(waves()), atol=1e-5)
    assert after.identity() == before.identity()


def test_facts_come_back_as_json(tmp_path):
    """Keys that are numbers sort otherwise than their texts: the checksum must be of what will be read."""
    before = made()
    before.facts = Facts.read({"counts": {9: 1, 10: 2}, "pair": (1, 2)})
    before.save(tmp_path / "t.safetensors")
    assert load(tmp_path / "t.safetensors").facts.as_dict() == {"counts": {"9": 1, "10": 2}, "pair": [1, 2]}


def test_facts_that_are_no_json_leave_the_old_file(tmp_path, whole, write):
    path = write(whole)
    before = made(1)
    before.facts = Facts.read({"where": Path("x")})
    with pytest.raises(TypeError):
        before.save(path)
    assert path.read_bytes() == whole
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("function", ["os.replace", "os.fsync"])
def test_a_save_that_fails_leaves_the_old_file(tmp_path, whole, write, monkeypatch, function):
    path = write(whole)

    def fail(*_):
        raise OSError(28, "No space left on device")

    other = made(1)
    with monkeypatch.context() as patched:
        patched.setattr(function, fail)
        with pytest.raises(OSError, match="No space left"):
            other.save(path)
    assert path.read_bytes() == whole
    assert os.listdir(tmp_path) == [path.name]


def test_identity_changes_with_whatever_changes_a_score():
    same = made().identity()
    assert same == made().identity()
    assert len(same) == 12
    assert int(same, 16) >= 0
    others = {
        "weights": made(seed=1),
        "order of tags": made(tags=TAGS[::-1]),
        "name of a tag": made(tags=("cat", *TAGS[1:])),
        "task": made(task="many"),
        "hop of the windows": made(windows={"length": 0.5, "hop": 0.125}),
        "feature": made(features={**RECIPE["features"], "mean": 1}),
    }
    nudged = made()
    with torch.no_grad():
        next(nudged.net.parameters()).view(-1)[0] += 1e-6
    others["one weight"] = nudged
    statistics = made()
    statistics.net.head.hidden[2].running_mean[0] += 1e-6
    others["one running statistic"] = statistics
    identities = {what: other.identity() for what, other in others.items()}
    assert len({same, *identities.values()}) == len(identities) + 1, identities


def test_identity_does_not_change_with_facts_or_mode(one):
    before = one.identity()
    other = made().train()
    other.facts = Facts.read({"any": "thing"})
    assert other.identity() == before


# Scoring


def test_scores_are_probabilities(one):
    values = one.score(waves(5))
    assert values.shape == (5, 3)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values.sum(1), 1, atol=1e-6)
    many = made(task="many").score(waves(5))
    assert ((many > 0) & (many < 1)).all()
    assert not np.allclose(many.sum(1), 1, atol=1e-3)


@pytest.mark.parametrize("training", [True, False])
def test_scoring_changes_nothing(training):
    tagger_ = made().train(training)
    before = {name: value.clone() for name, value in tagger_.state_dict().items()}
    given = waves()
    kept = given.copy()
    first = tagger_.score(given)
    assert tagger_.training is training
    assert tagger_.net.training is training
    assert all(torch.equal(value, before[name]) for name, value in tagger_.state_dict().items())
    assert np.array_equal(given, kept)
    assert np.array_equal(first, tagger_.eval().score(given))


def test_scoring_that_fails_changes_nothing():
    tagger_ = made().train()
    with pytest.raises(EarmarkError, match="needs at least"):
        tagger_.score_windows(np.zeros((2, 1000), np.float32))
    assert tagger_.training


def test_waves_of_any_memory(one):
    given = waves()
    expected = one.score(given)
    locked = given.copy()
    locked.flags.writeable = False
    assert np.array_equal(one.score(locked), expected)
    assert np.array_equal(one.score(np.asfortranarray(given)), expected)
    assert np.array_equal(one.score(given.astype(np.float64)), expected)


def test_tag_a_recording(tmp_path, one):
    path = tmp_path / "a.wav"
    soundfile.write(path, waves(1)[0], RATE, "FLOAT")
    tags = one.tag(path)
    values = one.score(waves(1))[0]
    assert [tag.label for tag in tags] == [TAGS[i] for i in np.argsort(-values)]
    np.testing.assert_allclose([tag.score for tag in tags], np.sort(values)[::-1], atol=1e-6)
    assert len(one.tag(path, 1)) == 1
    assert len(one.tag(path, None)) == 3
    with pytest.raises(AudioError, match=r"none\.wav"):
        one.tag(tmp_path / "none.wav")


# Building


def test_a_window_too_short_for_the_net():
    """0.1 s are 1600 samples, and (1600 − 512) // 256 + 1 = 5."""
    shortest = made().net.shortest
    with pytest.raises(RecipeError) as caught:
        build(recipe.parse({**RECIPE, "windows": {"length": 0.1, "hop": 0.1}}), TAGS)
    assert caught.value.mistakes == [
        f"windows.length: 0.1 s are 5 frames; cnnspec needs at least {shortest}: make it longer"
    ]
    with pytest.raises(RecipeError, match="0.001 s are 0 frames"):
        build(recipe.parse({**RECIPE, "windows": {"length": 0.001, "hop": 0.1}}), TAGS)
    raw = {**RECIPE, "features": None, "net": "convnet1d", "windows": {"length": 0.01, "hop": 0.01}}
    with pytest.raises(RecipeError, match=r"windows\.length: 0\.01 s are 160 samples; convnet1d needs at least 1024"):
        build(recipe.parse(raw), TAGS)


def test_the_shortest_window_is_enough():
    shortest = made().net.shortest
    samples = (shortest - 1) * 256 + 512
    for length, fits in [(samples, True), (samples - 1, False)]:
        parsed = recipe.parse({**RECIPE, "windows": {"length": f"{length}/{RATE}", "hop": 1}})
        if fits:
            build(parsed, TAGS).score(np.zeros((1, length), np.float32))
        else:
            with pytest.raises(RecipeError, match=f"are {shortest - 1} frames"):
                build(parsed, TAGS)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"features": {**RECIPE["features"], "bands": 1000}}, r"features: \d+ of 1,000 mel bands are narrower"),
        ({"features": {**RECIPE["features"], "hop": 0}}, "features: a hop of 0 samples"),
        ({"net": {**RECIPE["net"], "band_pools": [0] * 6}}, "net: "),
        ({"net": {**RECIPE["net"], "widths": [4]}}, "net: "),
        ({"net": {**RECIPE["net"], "hidden": -1}}, "net: "),
        (
            {"net": {"name": "convnet1d", "widths": [], "blocks": []}, "features": None},
            "net: widths is .*\n  net: blocks is ",
        ),
    ],
)
def test_arguments_that_do_not_fit_together(changes, expected):
    count = "2 mistakes" if "\n" in expected else "1 mistake"
    with pytest.raises(RecipeError, match=rf"recipe tiny: {count}\n  {expected}"):
        build(recipe.parse({**RECIPE, **changes}), TAGS)


# Files that are no taggers


def test_no_such_file(tmp_path):
    assert refused(tmp_path / "none.safetensors").startswith("no such file, and no shipped tagger of that name")


def test_a_shipped_name_misspelt(tmp_path, monkeypatch, whole, write):
    path = write(whole)
    monkeypatch.setattr(loading, "shipped", lambda: {"esc10": path, "birds": path})
    assert load("esc10").vocabulary == TAGS
    with pytest.raises(TaggerError) as caught:
        load("esc-10")
    assert str(caught.value) == (
        "esc-10: no such file, and no shipped tagger of that name, did you mean 'esc10'? Shipped: esc10, birds"
    )


@pytest.mark.parametrize("name", loading.shipped())
def test_a_shipped_tagger_loads(name):
    assert load(name).vocabulary


def test_a_run_folder_instead_of_the_file_in_it(tmp_path):
    assert refused(tmp_path) == f"is a folder. Give the tagger file in it, such as {tmp_path / 'tagger.safetensors'}"


def test_files_of_other_kinds(write):
    assert refused(write(b"")) == "is empty. Fetch it again"
    assert refused(write(b"abc")) == "is not a tagger file (it does not open like one)"
    noise = np.random.default_rng(0).bytes(5000)
    assert refused(write(noise)) == "is not a tagger file (it does not open like one)"
    assert refused(write(b"PK\x03\x04" + bytes(100))).startswith("is cut or not a tagger file: its header should take")
    assert refused(write(struct.pack("<Q", 10**15))) == "is not a tagger file (it does not open like one)"
    text = b"[" * 50_000  # JSON without end
    assert refused(write(struct.pack("<Q", len(text)) + text)) == "is not an earmark tagger, or its header is damaged"


def test_a_safetensors_file_of_another_program(tmp_path):
    path = tmp_path / "other.safetensors"
    for facts in (None, {"format": "pt"}):
        safetensors.numpy.save_file({"weight": np.ones(3, np.float32)}, path, facts)
        assert refused(path) == "is not an earmark tagger, or its header is damaged"
    safetensors.numpy.save_file({"weight": np.ones(3, np.float32)}, path, {FORMAT: '{"format": "other", "version": 1}'})
    assert refused(path) == "its description is damaged (unknown format)"
    safetensors.numpy.save_file({"weight": np.ones(3, np.float32)}, path, {FORMAT: "[]"})
    assert refused(path).startswith("its description is damaged")


def test_read_head_refuses_too(tmp_path, whole, write):
    assert read_head(write(whole))["vocabulary"] == list(TAGS)
    with pytest.raises(TaggerError, match="cannot be read"):
        read_head(tmp_path / "none.safetensors")


# Files that are not as they were saved


def test_cut_anywhere(whole, write):
    header = struct.unpack("<Q", whole[:8])[0]
    for at in (1, 7, 8):
        assert refused(write(whole[:at])).startswith(("is not a tagger file", "is cut or not a tagger file")), at
    for at in (9, 8 + header // 2, 7 + header):
        told = refused(write(whole[:at]))
        assert told == f"is cut or not a tagger file: its header should take {header:,} bytes, the file has {at:,}"
    for at in (8 + header, 9 + header, (8 + header + len(whole)) // 2, len(whole) - 1):
        told = refused(write(whole[:at]))
        assert (
            told == f"is cut or has been added to: it should be {len(whole):,} bytes long and is {at:,}. Fetch it again"
        )


def test_added_to(whole, write):
    for more in (b"\0", b"\0" * 100, whole):
        assert refused(write(whole + more)).startswith("is cut or has been added to: it should be")


def test_a_byte_flipped_anywhere(whole, write):
    header = struct.unpack("<Q", whole[:8])[0]
    chance = np.random.default_rng(5)
    head = np.arange(8, 8 + header, max(1, header // 260))
    places = np.concatenate([np.arange(8), head, chance.integers(8 + header, len(whole), 60)]).tolist()
    assert len(places) > 300
    for at in places:
        flipped = bytearray(whole)
        flipped[at] ^= int(chance.integers(1, 256))
        refused(write(bytes(flipped)))


def test_flips_that_change_nothing(whole, write):
    """JSON has two ways to write an exponent: the file says the same, so there is nothing to refuse."""
    at = whole.index(b"1e-06") + 1
    flipped = whole[:at] + b"E" + whole[at + 1 :]
    assert load(write(flipped)).facts.as_dict() == {"validation": {"accuracy": 0.75, "loss": 1e-06}}


@pytest.mark.parametrize("what", ["data_offsets", "shape", "dtype", "__metadata__", FORMAT, "sha256", "F32", "I64"])
def test_a_key_of_the_header_spoilt(whole, write, what):
    """The places where a flip changes the shape of the JSON rather than a value."""
    start = whole.index(what.encode())
    for at in range(start, start + len(what)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[at] ^= 1 << bit
            refused(write(bytes(flipped)))


def test_weights_of_another_tagger(tmp_path, whole, write):
    path = write(whole)
    made(1).save(tmp_path / "other.safetensors")
    other = safetensors.numpy.load_file(tmp_path / "other.safetensors")
    safetensors.numpy.save_file(other, path, {FORMAT: json.dumps(read_head(path))})
    assert refused(path) == "is not as it was saved (its checksum differs): altered or damaged. Fetch it again"


# Files that are whole, but not for this earmark


def test_a_newer_version(whole, write):
    path = forged(write(whole), lambda head: {**head, "version": 2, "recipe": {"new": "things"}})
    assert refused(path) == "was written by a newer earmark (format 2, this one reads up to 1). Upgrade earmark"


def test_a_net_that_is_unknown_here(whole, write):
    def rename(head):
        head["recipe"]["net"]["name"] = "cnnspec2"

    told = refused(forged(write(whole), rename))
    assert told.startswith("this earmark cannot build it (recipe in ")
    assert "net.name: no net is called 'cnnspec2', did you mean 'cnnspec'?" in told
    assert told.endswith("Upgrade earmark, or add the plug-in that it was made with")


def test_weights_that_do_not_fit(whole, write):
    def fewer(head):
        head["vocabulary"] = head["vocabulary"][:2]

    told = refused(forged(write(whole), fewer))
    assert told.startswith("the header and the weights do not fit together: ")
    assert "size mismatch" in told


@pytest.mark.parametrize("key", ["recipe", "vocabulary", "facts"])
def test_a_head_without_a_part(whole, write, key):
    told = refused(forged(write(whole), lambda head: {k: v for k, v in head.items() if k != key}))
    assert told == f"its description is damaged (it has no {key!r})"


@pytest.mark.parametrize(("key", "value"), [("vocabulary", 3), ("recipe", 3), ("recipe", []), ("recipe", None)])
def test_a_head_of_another_shape(whole, write, key, value):
    refused(forged(write(whole), lambda head: {**head, key: value}))


def test_a_file_is_numbers_and_json_and_nothing_else(whole, write):
    path = write(whole)
    assert not zipfile.is_zipfile(path)
    header = struct.unpack("<Q", whole[:8])[0]
    json.loads(whole[8 : 8 + header])
    tensors = safetensors.numpy.load_file(path)
    assert 8 + header + sum(t.nbytes for t in tensors.values()) == len(whole)
    with pytest.raises(ValueError):  # nothing that unpickles
        list(pickletools.genops(whole))


AUDITED = {"pickle.find_class", "os.system", "subprocess.Popen", "socket.connect", "ctypes.dlopen"}
audited: list[str] = []
audit = [False]


def test_loading_runs_nothing_and_asks_no_one(whole, write):
    """Python's audit events: an interpreter tells its hooks of each pickled class that is looked up, and so on."""

    def hook(event, _):
        if audit[0] and event in AUDITED:
            audited.append(event)

    path = write(whole)
    load(path)  # imports what it needs
    sys.addaudithook(hook)
    audit[0] = True
    try:
        load(path)
        assert audited == []
        pickle.loads(pickle.dumps(Path("x")))  # the hook does hear
        assert audited
    finally:
        audit[0] = False


def test_a_folder_of_recordings_does_not_hide_the_shipped_tagger_of_its_name(tmp_path, monkeypatch):
    """`earmark tag` beside the folder esc10 of a data set; a folder of a run is not passed over silently."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "esc10").mkdir()
    assert loading.find("esc10") == loading.shipped()["esc10"]
    (tmp_path / "esc10" / "tagger.safetensors").write_bytes(b"")
    with pytest.raises(TaggerError, match="esc10: is a folder. Give the tagger file in it"):
        loading.find("esc10")


@pytest.mark.parametrize("device", ["gpu", "vulkan", ""])
def test_a_device_that_is_not_known(device):
    with pytest.raises(TaggerError, match=f"device '{device}': is not known, take auto, cpu, cuda or mps"):
        load("digits", device)


def test_a_gpu_that_is_not_here(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(TaggerError, match="device 'cuda': no GPU is here.* Take cpu"):
        load("digits", "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    devices.check("cuda")
    devices.check("cuda:1")
    with pytest.raises(TaggerError, match="device 'cuda:2': there are 2 GPUs, counted from 0. Take another"):
        devices.check("cuda:2")


WRONG = {
    "samples are int16: give float32 from -1 to 1": np.zeros((2, 8_000), np.int16),
    r"samples have the shape \(8000,\): give \(windows, samples\)": np.zeros(8_000, np.float32),
    r"samples have the shape \(0, 8000\)": np.zeros((0, 8_000), np.float32),
    "samples are not all numbers": np.full((1, 8_000), np.nan, np.float32),
    r"samples are not all numbers \(NaN, or infinite\)": np.array([[np.inf, -np.inf] * 4_000], np.float32),
}


@pytest.mark.parametrize("problem", WRONG)
def test_samples_that_would_give_scores_without_a_meaning(problem):
    with pytest.raises(EarmarkError, match=problem):
        load("digits").score(WRONG[problem])


def test_listening_while_it_is_trained_changes_nothing():
    """Four threads score a tagger in training mode: no statistics move, and it stays in that mode."""
    tagger = load("digits", engine="torch").train()
    before = tagger.identity()
    waves = np.random.default_rng(0).normal(0, 0.1, (2, round(tagger.windows.length * tagger.sample_rate)))
    waves = waves.astype(np.float32)
    with ThreadPoolExecutor(4) as pool:
        heard = list(pool.map(tagger.score, [waves] * 8))
    assert tagger.identity() == before and tagger.training
    wanted = tagger.eval().score(waves)
    for values in heard:
        np.testing.assert_allclose(values, wanted, atol=1e-6)


@pytest.mark.parametrize(
    "facts", [[], "good", {"split": 3}, {"events": {"rules": {"thresholds": {"dog": 7}, "medians": {"dog": 0}}}}]
)
def test_facts_that_are_none_are_told_in_words_of_their_own(tmp_path, facts):
    """Nor does `show` end with a traceback: the file is damaged, and no upgrade helps."""
    path = tmp_path / "t.safetensors"
    tagger_ = load("digits", engine="torch")
    head = {
        "format": FORMAT,
        "recipe": tagger_.recipe.as_dict(),
        "vocabulary": list(tagger_.vocabulary),
        "facts": facts,
    }
    taggerfile.write(path, tagger_._weights(), head)
    with pytest.raises(TaggerError, match="altered or damaged") as caught:
        load(path)
    assert "Upgrade" not in str(caught.value)
    done = earmark("show", path)
    assert done.returncode == 2 and "altered or damaged" in done.stderr
