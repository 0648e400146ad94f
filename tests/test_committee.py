"""Committees and soups: an ensemble is a tagger, in one file, and says exactly what its members' scores combine to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import soundfile
import torch

import earmark
from earmark.audio import load as load_audio
from earmark.errors import AudioError, TaggerError
from earmark.inference import Failure, Recording, score
from earmark.models import file as taggerfile
from earmark.models import loading
from earmark.models.averaging import average, renew
from earmark.models.ensemble import Ensemble, joined
from earmark.models.facts import Facts
from earmark.models.tagger import Tagger, build
from earmark.recipe import parse
from earmark.scores import Scores
from earmark.scores.ensemble import combine

pytestmark = pytest.mark.usefixtures("sketched")

TAGS = ("dog", "rain", "sea")
RATE = 8000


def made(seed: int = 0, tags=TAGS, task="one", rate=RATE, windows=None, net=None, **changes) -> Tagger:
    """A tiny tagger of raw waves whose answers differ between recordings, with weights of its own."""
    torch.manual_seed(seed)
    recipe = {
        "name": f"net {seed}",
        "task": task,
        "sample_rate": rate,
        "data": {"dataset": "folder"},
        "windows": windows or {"length": 0.5, "hop": 0.25, "combine": "geometric"},
        "net": net or {"name": "convnet1d", "widths": [4, 8, 8], "blocks": [1, 1, 1]},
        "augment": ["crop"],
        "train": {"epochs": 1},
    }
    tagger = build(parse({**recipe, **changes}), tags)
    tagger(torch.randn(8, round(0.5 * rate)))  # running statistics that have run
    return tagger.eval()


def apart() -> Tagger:
    """Another sample rate, other windows, other order of tags, a feature."""
    features = {"name": "logmel", "window": "256/16000", "hop": "128/16000", "bands": 64}
    net = {"name": "cnnspec", "widths": [4] * 6, "frame_pools": [2, 1, 1, 1, 1, 1], "hidden": 8}
    windows = {"length": 0.6, "hop": 0.35, "weigh": "level", "last": "pad"}
    return made(9, TAGS[::-1], rate=16_000, windows=windows, net=net, features=features)


@pytest.fixture(scope="module")
def waves(tmp_path_factory) -> list[Path]:
    """Recordings of different lengths: one shorter than a window, one of many windows."""
    place = tmp_path_factory.mktemp("waves")
    for number, seconds in enumerate([0.3, 2.0, 7.3]):
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, round(seconds * 22_050))
        soundfile.write(place / f"{number}.wav", noise * np.linspace(0.1, 1, len(noise)), 22_050)
    return sorted(place.iterdir())


def single(tagger, paths) -> Scores:
    """A tagger's own scores of the recordings."""
    heard = list(score(tagger, map(Recording, paths)))
    ids = np.array([h.recording.name for h in heard])
    return Scores(
        np.stack([h.values for h in heard]),
        ids,
        np.zeros(len(ids)),
        np.array([h.duration for h in heard]),
        tagger.vocabulary,
    )


MEMBERS = {
    "same windows": lambda: [made(0), made(1), made(2, TAGS[::-1])],
    "other pooling": lambda: [made(0), made(1, windows={"length": 0.5, "hop": 0.25, "weigh": "level"})],
    "apart": lambda: [made(0), apart(), made(1)],
    "many": lambda: [made(0, task="many"), made(1, task="many")],
}


@pytest.mark.parametrize("kind", MEMBERS)
@pytest.mark.parametrize("rule", ["arithmetic", "geometric", "rank"])
def test_it_says_what_its_members_scores_combine_to(waves, kind, rule):
    members = MEMBERS[kind]()
    weights = list(range(1, len(members) + 1))
    whole = Ensemble(members, rule, weights)
    expected = combine([single(member, waves) for member in members], rule, weights, over="tags", task=whole.task)
    for batch, workers in ((32, 2), (3, 1)):
        heard = list(score(whole, map(Recording, waves), batch=batch, workers=workers))
        assert [h.recording.path for h in heard] == waves
        np.testing.assert_allclose([h.values for h in heard], expected.values, atol=1e-5 if rule != "rank" else 0)
    if rule == "geometric" and whole.task == "one":
        np.testing.assert_allclose(expected.values.sum(1), 1, atol=1e-6)
    tags = whole.tag(waves[1], None)
    assert sorted(tag.label for tag in tags) == sorted(TAGS)
    np.testing.assert_allclose([t.score for t in tags], np.sort(expected.values[1])[::-1], atol=1e-5)


def test_worked_out_from_the_waves(waves):
    """Without any of the machinery for tagging: windows cut by hand, probabilities averaged."""
    one, two = (made(seed, windows={"length": 0.5, "hop": 0.5, "last": "drop"}) for seed in (0, 1))
    wave = load_audio(waves[1], RATE)
    assert len(wave) == 2 * RATE
    cut = wave.reshape(4, RATE // 2)
    expected = 0.75 * one.score(cut).mean(0) + 0.25 * two.score(cut).mean(0)
    (heard,) = score(Ensemble([one, two], weights=[3, 1]), [Recording(waves[1])])
    np.testing.assert_allclose(heard.values, expected, atol=1e-5)


def test_scores_window_by_window(waves):
    members = [made(0), made(1, TAGS[::-1])]
    (heard,) = score(Ensemble(members), [Recording(waves[2])], keep_windows=True)
    own = [next(iter(score(m, [Recording(waves[2])], keep_windows=True))).windows for m in members]
    np.testing.assert_allclose(heard.windows.values, combine(own).values, atol=1e-5)
    np.testing.assert_array_equal(heard.windows.start, own[0].start)
    assert heard.windows.tags == TAGS
    cut = np.random.default_rng(0).uniform(-0.5, 0.5, (3, RATE // 2)).astype(np.float32)
    values = Ensemble(members).score(cut)
    np.testing.assert_allclose(values, (members[0].score(cut) + members[1].score(cut)[:, ::-1]) / 2, atol=1e-5)


def test_windows_that_differ_are_said(waves):
    whole = Ensemble([made(0), apart()])
    with pytest.raises(TaggerError, match="hear different windows"):
        _ = whole.windows
    assert [told["length"] for told in whole.described_windows()["members"]] == [0.5, 0.6]
    assert whole.sample_rate == 16_000
    told = r"hear different windows \(0.5 s every 0.25 s at 8,000 Hz; 0.6 s every 0.35 s at 16,000 Hz\).*no --windows"
    with pytest.raises(TaggerError, match=told):
        list(score(whole, [Recording(waves[0])], keep_windows=True))
    with pytest.raises(TaggerError, match=told):
        whole.score(np.zeros((1, 4000), np.float32))
    assert Ensemble([made(0), made(1)]).windows == made(0).windows


@pytest.mark.parametrize("kind", ["same windows", "apart"])
def test_a_bad_recording_is_a_failure_in_its_place(waves, tmp_path, kind):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    whole = Ensemble(MEMBERS[kind]())
    results = list(score(whole, map(Recording, [waves[1], broken, waves[0]])))
    assert [isinstance(result, Failure) for result in results] == [False, True, False]
    with pytest.raises(AudioError, match="broken"):
        whole.tag(broken)


def test_seconds_are_counted_once_and_stopping_early_ends_the_threads(waves):
    told: list[float] = []
    list(score(Ensemble(MEMBERS["apart"]()), [Recording(waves[1])], on_audio=told.append))
    alone: list[float] = []
    list(score(made(0), [Recording(waves[1])], on_audio=alone.append))
    assert sum(told) == sum(alone)
    results = score(Ensemble(MEMBERS["apart"]()), [Recording(waves[2])] * 20)
    next(results)
    results.close()


# The file


@pytest.mark.parametrize("kind", MEMBERS)
def test_what_comes_back_is_what_was_saved(waves, tmp_path, kind):
    before = Ensemble(MEMBERS[kind](), "geometric", range(1, len(MEMBERS[kind]()) + 1))
    before.facts = Facts.read({"note": "ä", "counts": {"5": 1}})
    before.save(tmp_path / "e.safetensors")
    after = earmark.load(tmp_path / "e.safetensors")
    assert isinstance(after, Ensemble)
    assert after.identity() == before.identity()
    assert (after.facts, after.rule, after.vocabulary, after.task) == (before.facts, before.rule, TAGS, before.task)
    assert after.weights.tolist() == before.weights.tolist()
    assert not any(member.training for member in after.members)
    assert [member.facts for member in after.members] == [member.facts for member in before.members]
    for path in waves:
        assert after.tag(path, None) == before.tag(path, None)
    after.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "e.safetensors").read_bytes()


def test_a_tagger_may_be_in_twice(tmp_path):
    one = made(0)
    Ensemble([one, one]).save(tmp_path / "e.safetensors")
    assert len(earmark.load(tmp_path / "e.safetensors").members) == 2


def test_identity_changes_with_whatever_changes_a_score():
    one, two = made(0), made(1)
    same = Ensemble([one, two]).identity()
    assert same == Ensemble([made(0), made(1)], weights=[2, 2], facts=Facts.read({"x": 1})).identity()
    others = [
        Ensemble([one, made(2)]),
        Ensemble([two, one]),
        Ensemble([one, two], "geometric"),
        Ensemble([one, two], weights=[2, 1]),
    ]
    assert len({same, *(other.identity() for other in others)}) == 5


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "e.safetensors"
    Ensemble([made(0), made(1)]).save(path)
    return path.read_bytes()


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(TaggerError) as caught:
        loading.load(path)
    return str(caught.value).removeprefix(f"{path}: ")


def test_damaged_files_are_refused(tmp_path, whole):
    path = tmp_path / "e.safetensors"
    size = len(whole)
    assert refused(path, whole[: size // 2]).startswith("is cut or")
    assert refused(path, whole[:-1]).startswith("is cut or has been added to: it should be")
    assert refused(path, whole + b"x").startswith("is cut or has been added to")
    chance = np.random.default_rng(0)
    for at in chance.integers(0, size, 80).tolist():
        flipped = bytearray(whole)
        flipped[at] ^= int(chance.integers(1, 256))
        refused(path, bytes(flipped))


def forged(path: Path, data: bytes, change) -> str:
    """What is said of a file whose head or weights `change` has changed, with a checksum that is right."""
    path.write_bytes(data)
    head = taggerfile.read_head(path)
    weights = safetensors.numpy.load_file(path)
    change(head, weights)
    taggerfile.write(path, weights, {key: value for key, value in head.items() if key != "sha256"})
    return refused(path, path.read_bytes())


def _lose(head, weights):
    del weights[next(name for name in weights if name.endswith(".weight"))]


def _add(head, weights):
    weights["member.7.x"] = np.ones(1, np.float32)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda head, _: head.update(version=3), "was written by a newer earmark (format 3, this one reads up to 2)"),
        (lambda head, _: head.update(rule="vote"), "this earmark cannot build it (an ensemble of 2 taggers: rule is 'vote'"),
        (lambda head, _: head.update(weights=[1]), "this earmark cannot build it (an ensemble of 2 taggers: 1 weight"),
        (lambda head, _: head.update(weights=["x", 1]), "the header and the weights do not fit together"),
        (lambda head, _: head["members"].pop(), "the header and the weights do not fit together"),
        (lambda head, _: head.update(members="ab"), "its description is damaged ('members' is of the kind str, not list)"),
        (lambda head, _: head.pop("members"), "its description is damaged (it has no 'members')"),
        (_lose, "the header and the weights do not fit together"),
        (_add, "the header and the weights do not fit together: '1 weight belongs to no member'"),
    ],
)  # fmt: skip
def test_files_that_are_whole_but_wrong(tmp_path, whole, change, told):
    assert forged(tmp_path / "e.safetensors", whole, change).startswith(told)


def test_the_file_holds_members_weights_under_prefixes(tmp_path, whole):
    path = tmp_path / "e.safetensors"
    path.write_bytes(whole)
    weights = safetensors.torch.load_file(path)
    for number in (0, 1):
        for name, value in made(number).state_dict().items():
            assert torch.equal(weights[f"member.{number}.{name}"], value)
    assert {name.split(".")[1] for name in weights} == {"0", "1"}
    head = taggerfile.read_head(path)
    assert head["format"] == "earmark-ensemble"
    assert [told["recipe"]["name"] for told in head["members"]] == ["net 0", "net 1"]
    json.dumps(head)


# Members that do not go together


def test_members_that_do_not_go_together():
    one = made(0)
    with pytest.raises(TaggerError, match="needs two taggers at least, and this has 1"):
        Ensemble([one])
    with pytest.raises(TaggerError, match="member 1 has the task 'one' and member 2 'many'"):
        Ensemble([one, made(1, task="many")])
    with pytest.raises(
        TaggerError, match="members 1 and 2 know different tags: 2 are known to one of them only, such as 'cat'"
    ):
        Ensemble([one, made(1, ("dog", "rain", "cat"))])
    with pytest.raises(TaggerError, match="member 2 is an ensemble itself"):
        Ensemble([one, Ensemble([one, made(1)])])
    with pytest.raises(TaggerError, match="an ensemble of 2 taggers: 3 weights for 2 members"):
        Ensemble([one, made(1)], weights=[1, 1, 1])
    with pytest.raises(TaggerError, match="has no net of its own"):
        _ = Ensemble([one, made(1)]).alone


# What it has learnt from


def joined_facts(members):
    """As files tell them."""
    return joined([Facts.read(member) for member in members]).as_dict()


def split(train, validation, test) -> dict:
    parts = {"train": train, "validation": validation, "test": test}
    return {name: {"clips": 10 * len(f), "folds": f, "sha256": "-".join(f)} for name, f in parts.items()}


def test_it_has_learnt_from_what_any_member_learnt_from():
    """Two folds of five: all folds were learnt from by one of them, none was tested on by both."""
    facts = [
        {"data": {"dataset": "esc"}, "split": s}
        for s in (split(["1", "2", "3"], ["4"], ["5"]), split(["2", "3", "4"], ["5"], ["1"]))
    ]
    told = joined_facts(facts)
    assert told["data"] == {"dataset": "esc"}
    assert told["split"]["train"]["folds"] == ["1", "2", "3", "4"]
    assert told["split"]["validation"]["folds"] == ["4", "5"]
    assert told["split"]["test"] == {**told["split"]["test"], "folds": [], "clips": 0, "counted": "at most"}
    same = joined_facts([facts[0], facts[0]])
    assert same["split"] == facts[0]["split"]
    part = joined_facts([facts[0], {"data": {}, "split": split(["1"], ["2"], ["4", "5"])}])
    assert part["split"]["test"]["folds"] == ["5"]
    assert part["split"]["train"]["clips"] == 30
    assert part["split"]["train"]["counted"] == "at least"


def test_of_a_member_that_tells_nothing_no_fold_is_clean():
    told = joined_facts([{"split": split(["1"], ["2"], ["3"])}, {}])
    assert told["split"]["test"]["folds"] == []
    assert told["split"]["train"]["folds"] == ["1"]
    assert joined_facts([{}, {}]) == {}


def test_folds_of_other_data_are_other_folds():
    dealt = {"dataset": "folder", "folds": 5}
    assert Ensemble([made(0), made(1)]).recipe.data.dataset == "folder"
    assert Ensemble([made(0, data=dealt), made(1, data=dealt)]).recipe.data.folds == 5
    seeded = made(1, data=dealt)
    seeded.recipe = seeded.recipe.model_copy(update={"seed": 2})
    for one, two in [
        (made(0), made(1, data={"dataset": "esc"})),
        (made(0), made(1, data=dealt)),
        (made(0, data=dealt), seeded),
    ]:
        with pytest.raises(TaggerError, match="members 1 and 2 learnt from other data or other folds"):
            _ = Ensemble([one, two]).recipe
    bears = {"dataset": "folder", "shared_groups": "report"}
    assert Ensemble([made(0, data=bears), made(1)]).recipe.data.shared_groups == "refuse"


# Soups


def test_the_mean_of_weights():
    one, two = made(0), made(1)
    one.facts, two.facts = (
        Facts.read(told) for told in ({"chosen": {"epoch": 1}, "data": {"dataset": "folder"}}, {"chosen": {"epoch": 2}})
    )
    mixed = average([one, two], [3, 1])
    before = [tagger.state_dict() for tagger in (one, two)]
    for name, value in mixed.state_dict().items():
        if value.is_floating_point():
            expected = 0.75 * before[0][name].double() + 0.25 * before[1][name].double()
            np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-9)
        else:
            assert torch.equal(value, before[0][name])
    assert mixed.facts.soup.as_dict() == {"taggers": [one.identity(), two.identity()], "weights": [0.75, 0.25]}
    assert mixed.facts.chosen is None
    assert mixed.facts.data.as_dict() == {"dataset": "folder"}
    assert one.identity() == made(0).identity()  # the members stay as they were
    assert mixed.identity() not in (one.identity(), two.identity())


def test_the_mean_of_the_same_is_the_same(tmp_path):
    one = made(0)
    mixed = average([one, made(0), made(0)])
    assert mixed.identity() == one.identity()
    mixed.save(tmp_path / "m.safetensors")
    assert loading.load(tmp_path / "m.safetensors").identity() == one.identity()


def test_counts_of_batches_are_the_firsts():
    one, two = made(0), made(1)
    two.train()(torch.randn(4, RATE // 2))
    name = next(name for name in one.state_dict() if name.endswith("num_batches_tracked"))
    assert (one.state_dict()[name], two.state_dict()[name]) == (1, 2)
    assert average([two, one]).state_dict()[name] == two.state_dict()[name]


def test_statistics_measured_anew():
    """In the first norm: the mean and the variance over the batches of what the convolution before it gives."""
    mixed = average([made(0), made(1)])
    batches = [np.random.default_rng(i).uniform(-0.5, 0.5, (4, RATE // 2)).astype(np.float32) for i in range(3)]
    heard: list[torch.Tensor] = []
    norm = next(layer for layer in mixed.modules() if isinstance(layer, torch.nn.BatchNorm1d))
    handle = norm.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0].detach().clone()))
    renew(mixed, batches)
    handle.remove()
    means = torch.stack([x.mean((0, 2)) for x in heard])
    variances = torch.stack([x.var((0, 2)) for x in heard])
    np.testing.assert_allclose(norm.running_mean, means.mean(0), atol=1e-5)
    np.testing.assert_allclose(norm.running_var, variances.mean(0), rtol=1e-4)
    assert not mixed.training
    assert norm.momentum is not None
    before = mixed.identity()
    with pytest.raises(TaggerError, match="no windows to renew"):
        renew(mixed, [])
    assert mixed.identity() == before
    with pytest.raises(TaggerError, match="a batch of 1 window: batch normalisation needs two"):
        renew(mixed, [*batches, batches[0][:1]])
    assert mixed.identity() == before  # not half renewed


def test_taggers_whose_weights_mean_different_things():
    one = made(0)
    with pytest.raises(TaggerError, match="two taggers at least, and this has 1"):
        average([one])
    with pytest.raises(TaggerError, match="taggers 1 and 2 have different tags or another order"):
        average([one, made(1, TAGS[::-1])])
    wider = {"name": "convnet1d", "widths": [4, 8, 12], "blocks": [1, 1, 1]}
    with pytest.raises(
        TaggerError,
        match=r"taggers 1 and 3 differ in net \(name: convnet1d.*; name: convnet1d.*mean of their weights is no",
    ):
        average([one, made(1), made(2, net={**wider, "widths": [4, 8, 16]})])
    with pytest.raises(TaggerError, match="differ in task"):
        average([one, made(1, task="many")])
    with pytest.raises(TaggerError, match="differ in sample_rate"):
        average([one, made(1, rate=16_000)])
    with pytest.raises(TaggerError, match="differ in windows"):
        average([one, made(1, windows={"length": 0.5, "hop": 0.1})])
    with pytest.raises(
        TaggerError, match="tagger 2: an ensemble of 2 taggers has no net of its own.*weights have no mean"
    ):
        average([one, Ensemble([one, made(1)])])
    with pytest.raises(TaggerError, match="a weight is -1"):
        average([one, made(1)], [2, -1])
