"""What people said of detections → a head that learnt from it: what it learns, what chooses its thresholds, what it tells."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from tests import small
from tests.program import earmark

from earmark.data import manifest as manifests
from earmark.data.clipset import ClipSet
from earmark.errors import EarmarkError, ManifestError, TaggerError
from earmark.evaluation.reviews.answers import Review, read
from earmark.evaluation.reviews.choosing import BELOW, HIGHEST, RANDOM, Picked
from earmark.events import EventRules
from earmark.events.detection import find
from earmark.models import loading
from earmark.models.ensemble import Ensemble
from earmark.scores import Event, Scores

pytest.importorskip("torch")
from earmark.inference import Recording
from earmark.train.heads import background, making, retraining, reviewed, run, within

RATE = 8000
TAGS = ("low", "high", "owl")
NAN = float("nan")


def review(answer="right", tag="low", onset=2.0, offset=3.0, truth=None, recording="a.wav", chosen=HIGHEST, of=9):
    event = Event(onset, offset, tag, 0.9)
    truth = (None if answer == "wrong" else event) if truth is None else truth
    return Review(Picked(recording, event, chosen, 1.0, of), answer, truth, 2)


def heard(*starts: float, length: float = 1.0) -> reviewed.Reviewed:
    """Windows of a second, or another length, of one review."""
    start = np.array(starts)
    sounds = tuple(Recording("a.wav", s, s + length) for s in starts)
    nothing = np.zeros((len(start), 2), np.float32)
    return reviewed.Reviewed(nothing, np.zeros(len(start), int), start, start + length, sounds)


# windows begin every half second, from 1.5 to 3 s; their middles are at 2, 2.5, 3 and 3.5 s
@pytest.mark.parametrize(
    ("told", "low", "high"),
    [
        (review(), [NAN, 1, NAN, NAN], [NAN] * 4),  # one middle lies within 2 to 3 s
        (review("wrong"), [0, 0, 0, NAN], [NAN] * 4),  # three have 0.4 s of the event
        (review("other", truth=Event(2, 3, "high", 1)), [0, 0, 0, NAN], [NAN, 1, NAN, NAN]),
        # of an event of 0.2 s the nearest window; what does not reach into it, and did reach into what was found, is not the tag
        (review("moved", truth=Event(3.2, 3.4, "low", 1)), [0, 0, NAN, 1], [NAN] * 4),
    ],
)  # fmt: skip
def test_what_an_answer_teaches(told, low, high):
    targets, weights = reviewed.taught(heard(1.5, 2.0, 2.5, 3.0), [told], TAGS, weight=6.0)
    np.testing.assert_array_equal(targets[:, 0], low)
    np.testing.assert_array_equal(targets[:, 1], high)
    assert np.isnan(targets[:, 2]).all()  # of other tags nothing is known
    known = ~np.isnan(targets).all(axis=1)
    assert weights[~known].tolist() == [0] * (4 - known.sum())
    assert weights.sum() == pytest.approx(6) and np.ptp(weights[known]) == 0


def test_a_window_that_barely_reaches_into_an_event_is_none_of_its_windows():
    """0.975 s every 0.48 s: that from 0 s ends 15 ms after the event was found to begin, and may hold another of its tag."""
    told = review("moved", onset=0.96, offset=1.92, truth=Event(1.56, 1.92, "low", 1))
    windows = heard(0, 0.48, 0.96, 1.44, length=0.975)
    targets, _ = reviewed.taught(windows, [told], TAGS, weight=1.0)
    np.testing.assert_array_equal(targets[:, 0], [NAN, 0, NAN, 1])
    targets, _ = reviewed.taught(windows, [review("moved", onset=0.9, offset=1.92, truth=told.truth)], TAGS, weight=1.0)
    assert targets[0, 0] == 0  # by 75 ms it does


def test_windows_are_those_of_the_recording():
    starts = list(reviewed._starts(2.0, 3.0, 1.0, 0.5, 10.0))
    assert starts == [1.5, 2.0, 2.5]  # that from 1 s ends where the event begins, that from 3 s begins where it ends
    assert list(reviewed._starts(0.0, 0.1, 1.0, 0.5, 10.0)) == [0.0]
    assert list(reviewed._starts(9.9, 10.0, 1.0, 0.5, 10.2)) == [9.0, 9.2]  # the last one lies at the end
    assert list(reviewed._starts(0.1, 0.2, 1.0, 0.5, 0.6)) == [0.0]  # a recording shorter than a window
    assert list(reviewed._starts(3.0, 4.0, 1.0, 0.5, None)) == [2.5, 3.0, 3.5]


@pytest.mark.parametrize(("length", "hop"), [(1.0, 0.5), (0.975, 0.48)])
def test_an_event_has_the_score_that_it_is_told_with(length, hop):
    values = np.random.default_rng(0).uniform(0, 1, (8, 1)).astype(np.float32)
    windows = heard(*np.arange(8) * hop, length=length)
    scores = Scores(values, np.full(8, "a"), windows.start, windows.end, ("low",))
    for event in find(scores, EventRules({"low": 0.45}, {"low": 0.0}))["a"]:
        told = reviewed.scores(windows, [review(onset=event.onset, offset=event.offset)], values)
        assert told[0, 0] == pytest.approx(event.score, abs=1e-6)


def test_thresholds_are_of_the_best_f1_and_near_to_those_of_clips():
    scores, truth, ones = np.array([0.9, 0.8, 0.6, 0.5, 0.2]), np.array([1, 1, 0, 1, 0]), np.ones(5)
    # F1 from below: 6/8, 6/7 from 0.5 on, 4/6, then 4/5 from above 0.6 on
    assert retraining.best_threshold(scores, truth, ones, 0.3) == pytest.approx(0.3)
    # an event drawn from ten false ones speaks for all of them
    assert 0.6 < retraining.best_threshold(scores, truth, np.array([1, 1, 10, 1, 1]), 0.3) <= 0.8
    # all are right: of what else a lower one would tell, nobody said anything
    assert retraining.best_threshold(np.array([0.9, 0.3]), np.ones(2), np.ones(2), 0.5) == pytest.approx(0.5)
    assert retraining.best_threshold(np.array([0.9, 0.7]), np.ones(2), np.ones(2), 0.5) == pytest.approx(0.5)


def test_thresholds_rise_above_events_that_were_wrong():
    wrong = np.array([0.4, 0.95, 0.6, 0.7, 0.3])
    assert retraining.above_wrong(wrong, 0.9) == pytest.approx(0.951)  # a tenth of five is none
    assert retraining.above_wrong(wrong, 0.8) == pytest.approx(0.701)  # a fifth is one
    assert retraining.above_wrong(np.ones(5), 0.9) == pytest.approx(0.999)


def test_what_changed_is_of_pairs():
    """Four of the tag, of which the old one found two and the new one three, and one that it is not; nobody said of the owl."""
    reviews = [review(), review(), review(), review(), review("wrong")]
    old = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]], bool)
    new = np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]], bool)
    (told,) = retraining.compare(reviews, TAGS, old, new)
    assert told == retraining.Changed("low", 5, before=2, after=4, gained=2, lost=0)
    # Agresti and Min: (b + 1/2, c + 1/2) of n + 2
    b, c, n = 2.5, 0.5, 7
    half = 1.959964 * np.sqrt(b + c - (b - c) ** 2 / n) / n
    interval = told.difference
    assert (interval.low, interval.high) == pytest.approx(((b - c) / n - half, (b - c) / n + half), abs=1e-6)
    assert interval.value == pytest.approx(0.4)
    named = retraining.compare([review("other", truth=Event(2, 3, "high", 1))], TAGS, old[:1], new[:1])
    assert [(each.tag, each.before, each.after) for each in named] == [("low", 0, 0), ("high", 1, 0)]


def test_halves_are_recordings_or_in_time():
    several = [review(recording=name) for name in ("b", "a", "c", "a")]
    assert retraining.parts(several, within_one=2) == [1, 0, 2, 0]
    one = [review(onset=onset, offset=onset + 1) for onset in (9.0, 1.0, 5.0, 2.0)]
    assert retraining.parts(one, within_one=2) == [1, 0, 1, 0]


def call(tone: float, seconds: float = 0.6, loud: float = 0.3) -> np.ndarray:
    return loud * np.sin(2 * np.pi * tone * np.arange(round(seconds * RATE)) / RATE)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A net by chance, clips of two tones, two recordings with both and a third tone, and a head that learnt from the clips."""
    folder = tmp_path_factory.mktemp("review")
    chance = np.random.default_rng(0)
    names, tags = [], []
    for number in range(6):
        for tag, tone in (("low", 300), ("high", 2500)):
            names.append(f"{tag}-{number}.wav")
            wave = call(tone * (1 + 0.02 * chance.normal()))
            soundfile.write(folder / names[-1], wave + 0.01 * chance.normal(size=len(wave)), RATE)
            tags.append(tag)
    manifests.write(manifests.build({"id": names, "path": names, "tags": tags}, folder), folder / "own.csv")
    (folder / "recordings").mkdir()
    for name in ("a", "b"):
        wave = 0.01 * chance.normal(size=30 * RATE)
        for second, tone in ((3, 300), (8, 2500), (13, 900), (18, 300), (23, 2500)):
            wave[second * RATE :][: round(0.6 * RATE)] += call(tone)
        soundfile.write(folder / "recordings" / f"{name}.wav", wave, RATE)
    net = small.tagger("resnet_b_att", 0.5, 0.25)
    net.save(folder / "base.safetensors")
    base = run.load_base(str(folder / "base.safetensors"))
    clips = manifests.read(folder / "own.csv")
    asked = run.Asked(background=background.Asked([folder / "recordings"]), within=within.Asked(2))
    plan = run.plan(base, clips, "own", unlabelled=True)
    run.train(base, "base", plan, clips, folder / "own", asked)
    return folder


def reviews_of(*names: str) -> str:
    """As of a table: each tone told as what it is, and the third as low, which is wrong; one was nearly told."""
    rows = ["recording,onset,offset,tag,score,answer,right_tag,right_onset,right_offset,chosen,probability,of_tag"]
    for name in names:
        rows += [
            f"{name}.wav,3,3.5,low,0.9,right,,,,highest,1.0,9",
            f"{name}.wav,8,8.5,high,0.9,right,,,,highest,1.0,9",
            f"{name}.wav,13,13.5,low,0.8,wrong,,,,random,0.5,9",
            f"{name}.wav,18,19,high,0.7,other,low,,,near the threshold,1.0,9",
            f"{name}.wav,22.5,23.5,high,0.3,moved,,23,23.6,below the threshold,1.0,4",
            f"{name}.wav,25,26,high,0.3,,,,,random,0.5,9",
        ]
    return "\n".join(rows) + "\n"


def where(place):
    return {f"{name}.wav": place / "recordings" / f"{name}.wav" for name in "ab"}


def asked_of(place):
    return run.Asked(background=background.Asked([place / "recordings"]), within=within.Asked(2))


def test_a_head_learns_from_what_was_said(place, tmp_path):
    table = tmp_path / "review.csv"
    table.write_text(reviews_of("a", "b"))
    old = place / "own" / "tagger.safetensors"
    before = hashlib.sha256(old.read_bytes()).hexdigest()
    words = ["retrain", old, "--reviews", table, "--recordings", place / "recordings", "--data", place / "own.csv"]
    told = json.loads(earmark(*words, "--out", tmp_path / "new", "--json").stdout)
    assert hashlib.sha256(old.read_bytes()).hexdigest() == before
    assert [(each["tag"], each["events"]) for each in told["changed"]] == [("high", 6), ("low", 6)]
    for each in told["changed"]:
        assert each["before"] + each["gained"] - each["lost"] == each["after"]
        assert each["difference"]["low"] <= each["difference"]["value"] <= each["difference"]["high"]
    tagger = loading.load(told["tagger"])
    facts = tagger.facts.head.background["reviews"]
    assert (facts["events"], facts["right"], facts["recordings"]) == (10, 6, 2)
    assert tagger.facts.bases[0].tagger == loading.load(old).identity()
    # what was said is learnt: where it was wrong the new one is less sure than the old, beside what it hears elsewhere
    wrong, right = (Recording(place / "recordings" / "a.wav", s, s + 0.5) for s in (13.0, 18.0))
    low = tagger.vocabulary.index("low")

    def apart(each):
        scores = [float(each.score(part).values[low]) for part in (right, wrong)]
        return np.log(scores[0] / (1 - scores[0])) - np.log(scores[1] / (1 - scores[1]))

    assert apart(tagger) > apart(loading.load(old))
    # ended: told again; with other answers it is another run
    again = earmark(*words, "--out", tmp_path / "new", "--json", "--resume")
    assert json.loads(again.stdout) == told and "is there already" in again.stderr
    table.write_text(reviews_of("a", "b").replace("0.8,wrong", "0.8,right"))
    other = earmark(*words, "--out", tmp_path / "new", "--resume")
    assert (
        other.returncode
        and "new: was started with other reviews: resume with the same, or take another --out" in other.stderr
    )


class Told:
    """Keeps what is said."""

    def __init__(self, said):
        self.say = said.append

    def begin(self, what, total):
        pass

    def advance(self):
        pass

    end = advance


def test_one_that_was_stopped_goes_on(place, tmp_path, monkeypatch):
    """Ctrl-C while halves are judged: no tagger is there; resumed, it is the one of a run that nobody stopped."""
    old, clips = str(place / "own" / "tagger.safetensors"), manifests.read(place / "own.csv")
    reviews = [review(), review(recording="b.wav"), review("wrong", onset=13.0, offset=13.5)]

    def retrained(folder, resume=False):
        how = run.How(resume=resume)
        return retraining.retrain(old, clips, reviews, where(place), tmp_path / folder, asked=asked_of(place), how=how)

    whole, changed = retrained("whole")

    def stop(*told):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(retraining, "compare", stop)
        with pytest.raises(KeyboardInterrupt):
            retrained("stopped")
    assert not (tmp_path / "stopped" / "tagger.safetensors").exists()
    with pytest.raises(EarmarkError, match="holds a run already: --resume goes on with it"):
        retrained("stopped")
    file, again = retrained("stopped", resume=True)
    assert again == changed and loading.load(file).identity() == loading.load(whole).identity()


def test_one_recording_is_parted_in_time(place, tmp_path):
    (tmp_path / "review.csv").write_text(reviews_of("a"))
    said: list[str] = []

    _, changed = retraining.retrain(
        str(place / "own" / "tagger.safetensors"), manifests.read(place / "own.csv"), read(tmp_path / "review.csv"), where(place),
        tmp_path / "new", asked=asked_of(place), progress=Told(said),
    )  # fmt: skip
    assert [each.events for each in changed] == [3, 3]
    assert any("all reviews are of one recording" in line for line in said)


def test_what_cannot_be_learnt_from_is_told(place, tmp_path):
    tagger, clips = str(place / "own" / "tagger.safetensors"), manifests.read(place / "own.csv")

    def refused(error, message, reviews, clips=clips, **told):
        with pytest.raises(error, match=message):
            retraining.retrain(tagger, clips, reviews, where(place), tmp_path / "none", **told)

    refused(EarmarkError, "none of the 1 review has an answer: there is nothing to learn from", [review(None)])
    refused(EarmarkError, "the reviews are of 'owl', which this tagger does not know", [review(tag="owl")])
    refused(
        ManifestError, "the clips have none of 'low', which the tagger knows", [review()], clips=_only(clips, "high")
    )
    late = [review(onset=99.0, offset=100.0)]
    refused(
        EarmarkError, r"lasts 30 s, and an event of the reviews \(line 2\) begins at 99 s", late, asked=asked_of(place)
    )
    beyond = [review("moved", truth=Event(2.5, 9999.0, "low"))]
    said = r"lasts 30 s, and the right edges of an event of the reviews \(line 2\) go from 2.5 to 9999 s"
    refused(EarmarkError, said, beyond, asked=asked_of(place))
    assert reviewed.durations([review("moved", truth=Event(2.5, 30.9, "low"))], where(place))  # rounded up
    assert not (tmp_path / "none").exists()  # refused before a run is begun
    refused(EarmarkError, "ask for 1 copy or more", [review()], asked=run.Asked(within=within.Asked(0)))
    (tmp_path / "review.csv").write_text(reviews_of("c"))
    words = [
        "retrain",
        tagger,
        "--reviews",
        tmp_path / "review.csv",
        "--data",
        place / "own.csv",
        "--out",
        tmp_path / "x",
    ]
    told = earmark(*words, "--recordings", place / "recordings")
    assert told.returncode and "1 recording is not among the 2 that are there, such as 'c.wav'" in told.stderr


def _folded(folds):
    names = [f"{number}.wav" for number in range(len(folds))]
    return manifests.build({"id": names, "path": names, "tags": ["low"] * len(names), "fold": folds}, ".")


def test_what_tests_the_old_tagger_tests_the_new_one():
    clips = _folded(["1", "1", "2", "2", "5", "5", "5", "5"])
    tested = ClipSet.of(clips.select(clips.folds == "5"))
    said = []

    def held(clips, tested=tested):
        said.clear()
        return retraining._held_out(tested, clips, Told(said))

    assert held(clips) == ["5"]
    assert said == [
        "fold 5 (4 clips) is not learnt from, as the old tagger is tested on it: both can be compared there"
    ]
    # some clips have gone since, and others have come
    assert held(clips.select(np.arange(8) != 7)) == ["5"] and len(said) == 1
    assert held(_folded(["1", "1", "2", "2", "5", "5", "5", "5", "5"])) == ["5"]
    # another data set's fold of that name; one without folds; a tagger without a test; a file that does not tell its clips
    assert held(_folded(["5", "5", "5", "5", "1", "1", "1", "1"])) == [] and len(said) == 1
    assert held(_folded([""] * 8)) == []
    assert said == [
        "4 clips that test the old tagger are learnt from, as here they lie in no fold that tests it: the two can be compared on "
        "other clips alone"
    ]
    assert held(clips, ClipSet()) == [] == said
    assert held(clips, replace(tested, sample="")) == [] == said


def test_the_fold_that_tests_a_tagger_is_not_learnt_from(place, tmp_path):
    """By a tagger that was made with it held out, from clips to the new tagger's file."""
    clips = manifests.read(place / "own.csv")
    folds = ["2" if name.split("-")[1] in ("4.wav", "5.wav") else "1" for name in clips.ids.tolist()]
    table = {
        "id": clips.ids.tolist(),
        "path": clips.ids.tolist(),
        "tags": clips.table["tags"].to_pylist(),
        "fold": folds,
    }
    parted = manifests.build(table, clips.root)
    base = run.load_base(str(place / "base.safetensors"))
    plan = run.plan(base, parted, "own", unlabelled=True, test=["2"])
    old = run.train(base, "base", plan, parted, tmp_path / "old", asked_of(place))
    (tmp_path / "review.csv").write_text(reviews_of("a", "b"))
    said = []
    file, _ = retraining.retrain(
        str(old), parted, read(tmp_path / "review.csv"), where(place), tmp_path / "new", asked=asked_of(place),
        progress=Told(said),
    )  # fmt: skip
    new, before = loading.load(file).facts, loading.load(old).facts
    assert new.clips("test") == before.clips("test") and new.clips("test").clips == 4
    assert new.clips("train") == before.clips("train") and new.clips("train").clips == 8
    assert sum("fold 2 (4 clips) is not learnt from" in line for line in said) == 1


def test_several_that_answer_together_are_no_tagger_to_go_on_with(place, tmp_path):
    tagger = loading.load(place / "own" / "tagger.safetensors")
    Ensemble([tagger, tagger.every(0.125)]).save(tmp_path / "several.safetensors")
    with pytest.raises(
        TaggerError, match="an ensemble of 2 taggers has no net of its own: take the file of one of them"
    ):
        retraining.retrain(
            str(tmp_path / "several.safetensors"), manifests.read(place / "own.csv"), [review()], where(place), tmp_path / "none"
        )  # fmt: skip


def _only(clips, tag):
    names = [
        name for name, tags in zip(clips.ids.tolist(), clips.table["tags"].to_pylist(), strict=True) if tags == [tag]
    ]
    return manifests.build({"id": names, "path": names, "tags": [tag] * len(names)}, clips.root)


def test_recordings_that_were_reviewed_whole_are_background_all_the_same(place, tmp_path):
    said: list[str] = []
    reviews = [review(onset=0.0, offset=30.0, recording=name) for name in ("a.wav", "b.wav")]
    reviews.append(review("wrong", tag="high", onset=0.0, offset=30.0))

    file, _ = retraining.retrain(
        str(place / "own" / "tagger.safetensors"), manifests.read(place / "own.csv"), reviews, where(place), tmp_path / "new",
        asked=asked_of(place), progress=Told(said),
    )  # fmt: skip
    assert any("it is drawn from what was reviewed, too" in line for line in said)
    assert loading.load(file).facts.head.background["windows"] > 0


def test_reviews_weigh_more_than_background(place, tmp_path, monkeypatch):
    """A reviewed event counts as WEIGHT copies of a clip; windows of which nothing is known as nothing."""
    seen = []
    kept = making.local
    monkeypatch.setattr(making, "local", lambda *told: seen.append(told) or kept(*told))
    reviews = [review(), review(recording="b.wav"), review("wrong", onset=13.0, offset=13.5, chosen=RANDOM)]
    reviews.append(review("wrong", onset=10.0, offset=10.5, chosen=BELOW))
    retraining.retrain(
        str(place / "own" / "tagger.safetensors"), manifests.read(place / "own.csv"), reviews, where(place), tmp_path / "new",
        asked=asked_of(place),
    )  # fmt: skip
    ground, mixed, more = seen[0]
    each = len(mixed.copy) / len(np.unique(mixed.copy))  # windows of a copy
    assert more.weights.sum() == pytest.approx(4 * retraining.WEIGHT * each)
    assert more.weights[~np.isnan(more.targets).all(axis=1)].min() > ground.asked.background.weight
    # of two recordings each is held out by itself; a half has one, which is held out in parts of time
    assert [len(np.unique(told[2].part)) for told in seen] == [2, 1, 3]


def test_of_tags_that_only_reviews_name_one_thing_is_said(place, tmp_path):
    """They are learnt; what differs from a tag of the clips in case alone is asked about."""
    said: list[str] = []
    reviews = [review(), review("other", onset=8.0, offset=8.5, truth=Event(8, 8.5, "High"), recording="b.wav")]
    reviews += [review("other", onset=at, offset=at + 0.5, truth=Event(at, at + 0.5, "fox")) for at in (13.0, 18.0)]
    file, _ = retraining.retrain(
        str(place / "own" / "tagger.safetensors"), manifests.read(place / "own.csv"), reviews, where(place), tmp_path / "new",
        asked=asked_of(place), progress=Told(said),
    )  # fmt: skip
    assert loading.load(file).vocabulary == ("High", "fox", "high", "low")
    lines = [line for line in said if "alone, no clip has it" in line]
    assert lines == [
        "'High' is a tag of 1 review alone, no clip has it: it is learnt from this, and may be missed; did you mean 'high'? "
        "Then correct right_tag",
        "'fox' is a tag of 2 reviews alone, no clip has it: it is learnt from these, and may be missed",
    ]
    assert not any("cannot be learnt" in line for line in said)


def test_what_differs_from_when_a_run_was_started_is_told_as_users_know_it(tmp_path):
    """Each thing that a run depends on, told otherwise or not at all: by no key of a file, and without digests."""
    ground = background.Asked([tmp_path / "recordings"])
    first = run.Asked(background=ground, within=within.Asked(2), besides="0123456789abcdef")
    others = {
        "another tagger as its base (aaa, now bbb)": first,
        "another --head (none, now logistic)": replace(first, kind="logistic"),
        "another seed (0, now 1)": replace(first, seed=1),
        "another background (windows: 2000, now 7)": replace(first, background=replace(ground, windows=7)),
        "other copies of clips in recordings (copies: 2, now 3)": replace(first, within=within.Asked(3)),
        "other reviews": replace(first, besides="fedcba9876543210"),
        "reviews, and there are none now": replace(first, besides=None),
    }
    for what, asked in others.items():
        (tmp_path / "head.json").unlink(missing_ok=True)
        run.settle_question(tmp_path, first, "aaa")
        run.settle_question(tmp_path, first, "aaa")
        with pytest.raises(EarmarkError) as error:
            run.settle_question(tmp_path, asked, "bbb" if "base" in what else "aaa")
        assert str(error.value) == f"{tmp_path}: was started with {what}: resume with the same, or take another --out"
