"""Recordings in pieces: joined they are what one process makes of the whole, to the bit; what is kept of them; what is refused."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from tests.program import earmark

from earmark.errors import AudioError, EarmarkError, TaggerError
from earmark.files import tally
from earmark.inference import Failure, Recording, score
from earmark.inference.cluster import connected, hearing, scoring, stages, ways
from earmark.inference.cluster.cutting import Cut, cut_for, next_of, pieces
from earmark.inference.cluster.hearing import Heard, from_bytes, hear, to_bytes
from earmark.inference.cluster.joining import join
from earmark.inference.cluster.kept import Kept, key_of
from earmark.inference.cluster.machines import Machines
from earmark.inference.cluster.reading import Reader
from earmark.inference.cluster.scoring import Cluster, Pace, members
from earmark.inference.cluster.sharing import Sharing
from earmark.inference.cluster.ways import Plan, plan_for
from earmark.inference.options import Options
from earmark.models import loading
from earmark.models.elsewhere import Elsewhere
from earmark.windows import Windows

RATE = 8_000


@dataclass
class Odd:
    """Scores that depend on every sample of a window."""

    windows: Windows
    task: str = "many"
    sample_rate: int = RATE
    vocabulary: tuple[str, ...] = ("up", "loud", "rough")
    floor: float = -60.0

    def score(self, waves):
        size = np.abs(waves)
        return np.stack([(waves > 0).mean(1), size.max(1), np.abs(np.diff(waves, axis=1)).mean(1)], 1).astype(
            np.float32
        )


class OddFrames(Odd):
    """The same in two frames a window."""

    def __init__(self, windows: Windows):
        super().__init__(windows, vocabulary=tuple("012345"))
        self.edges = np.linspace(0, windows.length, 3)

    def score(self, waves):
        middle = waves.shape[1] // 2
        return np.concatenate([Odd.score(self, waves[:, :middle]), Odd.score(self, waves[:, middle:])], 1)


class Team:
    def __init__(self, *scorers):
        self.members, self.vocabulary = scorers, scorers[0].vocabulary

    def combine(self, values):
        return np.mean(values, 0, dtype=np.float64).astype(np.float32)


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pieces")
    rng = np.random.default_rng(0)
    noise = rng.uniform(-0.5, 0.5, 11_025 * 13).astype(np.float32)
    noise[11_025 * 4 : 11_025 * 8] = 0  # silence over a seam
    noise[11_025 * 9 : 11_025 * 10] *= 1e-4  # below the floor
    waves = {
        "long.flac": noise,
        "short.wav": noise[:3_000],
        "odd.wav": noise[: 11_025 * 3 + 17],
        "stereo.wav": np.stack([noise, noise[::-1]], 1),
    }
    for name, wave in waves.items():
        soundfile.write(folder / name, wave, 11_025)
    data = (folder / "long.flac").read_bytes()
    (folder / "cut.flac").write_bytes(data[: len(data) // 2])
    (folder / "none.wav").write_bytes(b"no audio")
    return {path.name: path for path in sorted(folder.iterdir())}


def parts_of(told):
    """What was told of windows, as arrays."""
    rows = [part.windows for part in told]
    return [np.concatenate([getattr(each, name) for each in rows]) for name in ("values", "start", "end")]


def joined(scorer, recording: Recording, windows: int, options: Options, **how):
    scorers, team = members(scorer)
    length, hop = scorers[0].windows.samples(RATE)
    cut = Cut(RATE, scorers[0].windows.length, length, hop, windows, **how)
    there = Options(1, floor=options.floor)
    heard = [hear(scorers, [(recording.path, piece)], there)[0] for piece in pieces(recording, cut)]
    return len(heard), join(recording, 0, [from_bytes(to_bytes(each)) for each in heard], scorers, options, team)


SETTINGS = {
    "overlap": Windows(1.0, 0.25),
    "gaps": Windows(0.5, 0.75),
    "padded": Windows(1.0, 0.4, last="pad"),
    "dropped": Windows(1.0, 0.4, last="drop"),
    "weighed": Windows(1.0, 0.5, combine="geometric", weigh="energy"),
    "highest": Windows(0.5, 0.5, combine="max"),
    "slid": Windows(1.0, 0.5, short="slide"),
}


@pytest.mark.parametrize("windows", [1, 3, 7])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_recording_in_pieces_is_the_whole_to_the_bit(sound, settings, windows):
    for scorer in (Odd(settings), OddFrames(settings), Odd(settings, task="one")):
        for name in ("long.flac", "short.wav", "odd.wav", "stereo.wav"):
            recording = Recording(sound[name])
            told, told_in_pieces = [], []
            (whole,) = score(scorer, [recording], batch=1, on_part=told.append, keep_windows=True)
            count, again = joined(
                scorer, recording, windows, Options(1, keep_windows=True, on_part=told_in_pieces.append)
            )
            assert np.array_equal(again.values, whole.values) and again.windows.to_dict() == whole.windows.to_dict()
            for one, other in zip(parts_of(told), parts_of(told_in_pieces), strict=True):
                assert np.array_equal(one, other)
            same = ("duration", "notes", "peak", "silent", "vocabulary")
            assert [getattr(again, key) for key in same] == [getattr(whole, key) for key in same]
            assert count > 2 or name != "long.flac" or windows == 7


def test_gain_floor_salvage_and_ensembles_are_as_on_one_machine(sound):
    settings = Windows(1.0, 0.5)
    team = Team(Odd(settings), Odd(settings, floor=-40.0))
    for scorer, asked in ((Odd(settings), {"gain": 12.0}), (Odd(settings), {"floor": -20.0}), (team, {})):
        recording = Recording(sound["long.flac"])
        (whole,) = score(scorer, [recording], batch=1, **asked)
        how = {"gain": asked["gain"]} if "gain" in asked else {}
        _, again = joined(scorer, recording, 2, Options(1, floor=asked.get("floor")), **how)
        assert np.array_equal(again.values, whole.values) and again.notes == whole.notes
    (whole,) = score(Odd(settings), [Recording(sound["cut.flac"])], batch=1, salvage=True)
    _, again = joined(Odd(settings), Recording(sound["cut.flac"]), 2, Options(1), salvage=True)
    assert (
        np.array_equal(again.values, whole.values) and again.notes == whole.notes and again.duration == whole.duration
    )


def test_pieces_that_are_done_are_passed_over_and_the_others_stay_as_they_are(sound):
    cut = cut_for([Odd(Windows(1.0, 0.5))], 2.0, batch=3)
    assert cut.windows == 3 and cut_for([Odd(Windows(1.0, 0.5))], 2.0, None).windows == 4
    recording = Recording(sound["long.flac"])
    every = list(pieces(recording, cut))
    some = list(pieces(recording, cut, done={0, 2}))
    assert [piece.number for piece in some] == [1, *range(3, len(every))]
    for piece in some:
        assert np.array_equal(piece.wave, every[piece.number].wave) and piece.first == every[piece.number].first
    assert (some[-1].samples, some[-1].low, some[-1].notes) == (every[-1].samples, every[-1].low, every[-1].notes)
    assert [next_of(given, {0, 2}) for given in (0, 1, 2)] == [1, 3, 4]


def test_what_is_damaged_is_told_as_one_machine_tells_it(sound):
    scorer = Odd(Windows(1.0, 0.5))
    for name in ("cut.flac", "none.wav"):
        (whole,) = score(scorer, [Recording(sound[name])])
        assert isinstance(whole, Failure)
        with pytest.raises(AudioError) as told:
            list(pieces(Recording(sound[name]), cut_for([scorer], 2.0, 1)))
        assert str(told.value) == str(whole.error)
        heard = from_bytes(to_bytes(Heard(3, None, error=told.value)))
        assert heard.last and str(heard.error) == str(whole.error) and heard.error.readable == whole.error.readable


def test_the_same_piece_gives_the_same_bytes_and_what_is_none_is_refused(sound):
    scorer = Odd(Windows(1.0, 0.5))
    cut = cut_for([scorer], 2.0, 1)
    one, other = (
        [
            to_bytes(each)
            for each in hear([scorer], [(Path("x"), p) for p in pieces(Recording(sound["odd.wav"]), cut)], Options(1))
        ]
        for _ in range(2)
    )
    assert one == other
    for data in (b"", one[0][:-5], b"PAR1" + bytes(20)):
        with pytest.raises(EarmarkError, match="this is no piece of a recording"):
            from_bytes(data)


def test_pieces_are_kept_until_they_are_joined(sound, tmp_path):
    scorer = Odd(Windows(1.0, 0.5))
    cut = cut_for([scorer], 4.0, 1)
    recording = Recording(sound["long.flac"])
    heard = hear([scorer], [(recording.path, piece) for piece in pieces(recording, cut)], Options(1))
    key = key_of(recording, cut)
    kept = Kept(tmp_path / "pieces")
    for each in reversed(heard):  # in any order
        assert not kept.complete(key)
        kept.put(key, each.number, each.last, to_bytes(each))
    again = Kept(tmp_path / "pieces")
    assert again.complete(key) and again.done(key) == list(range(len(heard)))
    assert [each.number for each in again.pieces(key)] == again.done(key)
    # an error in the midst ends it: what lies behind does not count
    again.put(key, 1, True, to_bytes(Heard(1, None, error=AudioError("x", "is damaged"))))
    assert [each.number for each in again.pieces(key)] == [0, 1]
    again.drop(key)
    (tmp_path / "pieces" / f"{key}-0-last.arrow").write_bytes(b"")
    with pytest.raises(EarmarkError, match="It is taken away: run the command again"):
        list(Kept(tmp_path / "pieces").pieces(key))
    assert not Kept(tmp_path / "pieces").complete(key)


def test_a_key_changes_with_the_file_and_with_how_it_is_cut(sound, tmp_path):
    file = tmp_path / "a.wav"
    file.write_bytes(sound["short.wav"].read_bytes())
    cut = cut_for([Odd(Windows(1.0, 0.5))], 4.0, 1)
    keys = {key_of(Recording(file), cut), key_of(Recording(file, channel=1), cut)}
    keys.add(key_of(Recording(file), cut_for([Odd(Windows(1.0, 0.5))], 8.0, 1)))
    os.utime(file, (1, 1))
    assert len(keys | {key_of(Recording(file), cut)}) == 4
    file.unlink()
    assert len(key_of(Recording(file), cut)) == 24


def scored_by_hand(work):
    """What the stages do, in this process; the second recording's pieces come first."""
    made = []
    for row in work.rows:
        for table in stages.Decoders(work.cut, ".")(
            SimpleNamespace(
                to_pylist=lambda row=row: [
                    {
                        "index": row.index,
                        "path": os.fsencode(row.recording.path),
                        "channel": None,
                        "done": row.done,
                        "key": row.key,
                    }
                ]
            )
        ):
            made += stages.Nets(work.load, work.cut.rate, work.options, 1, work.folder)(table).to_pylist()
    yield from (stages.Arrived(**each) for each in reversed(made))


def asked_by_hand(work):
    """What nets that read for themselves do, two of them in turns in this process."""
    share = Sharing(work.rows)
    readers = {name: Reader(work.load, work.cut, work.options, 1, work.folder, ".") for name in "ab"}
    for reader in readers.values():
        reader.begin()
    asked = {name: [] for name in readers}
    while not share.done:
        for name, reader in readers.items():
            while (ask := share.take(name)) is not None:
                asked[name].append(ask)
            if asked[name]:
                answer = reader.hear(asked[name].pop(0))
                share.answered(name, answer)
                yield from answer.arrived


def scored(job):
    return [line for file in job.glob("pieces/scored-*.txt") for line in file.read_text().splitlines()]


@pytest.mark.parametrize("by_hand", [scored_by_hand, asked_by_hand])
def test_recordings_come_in_their_order_and_a_stop_loses_no_piece(sound, tmp_path, monkeypatch, by_hand):
    scorer = Odd(Windows(1.0, 0.5))
    recordings = [Recording(sound[name]) for name in ("long.flac", "none.wav", "odd.wav", "cut.flac")]
    monkeypatch.setattr(ways, "arriving", by_hand)
    cluster = Cluster(Machines(piece=0.05), lambda frames: lambda: [scorer], tmp_path / "pieces")
    whole = list(score(scorer, recordings, batch=1))

    def same(results):
        for one, other in zip(results, whole, strict=True):
            if isinstance(other, Failure):
                assert str(one.error) == str(other.error)
            else:
                assert np.array_equal(one.values, other.values) and one.notes == other.notes
        return True

    assert same(list(cluster.score(scorer, recordings, batch=1)))

    def stopped(work):
        for number, each in enumerate(by_hand(work)):
            if number == 4:
                raise KeyboardInterrupt
            yield each

    monkeypatch.setattr(ways, "arriving", stopped)
    with pytest.raises(KeyboardInterrupt):
        list(cluster.score(scorer, recordings, batch=1))
    asked = []
    monkeypatch.setattr(ways, "arriving", lambda work: (asked.extend(work.rows), by_hand(work))[1])
    assert same(list(cluster.score(scorer, recordings, batch=1)))
    assert sum(len(row.done) for row in asked) + (len(recordings) - len(asked)) >= 2  # what had come was not done again
    # six pieces: all were scored in each of the first two runs, in the third those that had not come
    told = tally.of(tmp_path)
    assert told.pieces == 6 and 12 < told.pieces + told.again == len(scored(tmp_path)) < 18
    assert tally.settle(tmp_path) == told and (shutil.rmtree(tmp_path / "pieces"), tally.of(tmp_path))[1] == told
    monkeypatch.setattr(ways, "arriving", lambda *_: iter(()))
    with pytest.raises(EarmarkError, match="long.flac: the cluster ended without it"):
        list(Cluster(Machines(), lambda frames: lambda: [scorer], tmp_path / "new").score(scorer, recordings))


def test_an_ensemble_of_different_windows_is_refused():
    with pytest.raises(TaggerError, match="different windows, so that its recordings cannot be cut into pieces"):
        members(Team(Odd(Windows(1.0, 0.5)), Odd(Windows(2.0, 0.5))))


def test_how_far_it_is_is_told_from_time_to_time(monkeypatch):
    now = iter([10.0, 40.0])
    monkeypatch.setattr(scoring, "time", SimpleNamespace(monotonic=lambda: next(now)))
    said: list[str] = []
    pace = Pace([100, 300], said.append, 0.0, 0.0)
    pace.heard(600.0, 0)
    pace.heard(600.0, 1)
    assert said == [
        "1 of 2 recordings; 20.0 min of sound in 0.7 min, 30 times as fast as it sounds, about 2.0 min left"
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--on", "ray"], "--on ray: results of a cluster are kept in a job's folder"),
        (["--address", "auto"], "--address is of a cluster: say which kind with --on ray"),
        (["--cluster", "nets=2"], "--cluster is of a cluster: say which kind with --on ray"),
        (["--on", "slurm"], "--on slurm: no such kind of cluster"),
        (["--on", "ray", "--cluster", "net=2"], "--cluster net=2: no such setting, did you mean 'nets'?"),
        (
            ["--on", "ray", "--cluster", "nets=0"],
            "--cluster nets=0: give a whole number from 1 to 100000, such as nets=4",
        ),
        (
            ["--on", "ray", "--cluster", "decoders=-1"],
            "--cluster decoders=-1: give a whole number from 0 to 100000, such as decoders=4",
        ),
        (
            ["--on", "ray", "--cluster", "piece=x"],
            "--cluster piece=x: give a number above 0, up to 60, such as piece=2",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(words, told):
    for verb in ("tag", "events"):
        assert told in (said := earmark(verb, "x.wav", *words)).stderr, said.stderr
        assert said.returncode == 2


def test_without_ray_the_extra_is_named(sound, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    made = earmark("tag", sound["short.wav"], "--tagger", "digits", "--job", tmp_path / "job", "--on", "ray")
    assert made.returncode == 2 and "--on ray needs Ray: pip install 'earmark[cluster]'" in made.stderr
    # and the job is not spoilt by it
    again = earmark("tag", sound["short.wav"], "--tagger", "digits", "--job", tmp_path / "job")
    assert again.returncode == 0, again.stderr


def test_a_job_tells_of_its_pieces(sound, tmp_path):
    earmark("tag", sound["short.wav"], "--tagger", "digits", "--job", tmp_path / "job")
    kept = Kept(tmp_path / "job" / "pieces")
    kept.put("0" * 24, 0, False, hearing.to_bytes(Heard(0, None, error=AudioError("x", "is damaged"))))
    assert (
        "job: a cluster has heard 1 piece of recordings that are not done yet"
        in earmark("job", tmp_path / "job").stderr
    )
    assert '"pieces": 1' in earmark("job", tmp_path / "job", "--json").stdout


def test_another_process_loads_the_same_tagger_from_its_name_or_its_file(tmp_path):
    tagger = loading.load("digits")
    file = tmp_path / "mine.safetensors"
    file.write_bytes(loading.find("digits").read_bytes())
    waves = (
        np.random.default_rng(0)
        .uniform(-0.5, 0.5, (2, tagger.windows.samples(tagger.sample_rate)[0]))
        .astype(np.float32)
    )
    for name in ("digits", str(file)):
        there = Elsewhere.of(tagger, name, "cpu", "auto", "auto", None, 1)
        (scorer,) = pickle.loads(pickle.dumps(there.scorers("tags")))()
        assert np.array_equal(scorer.score(waves), tagger.score(waves)) and len(pickle.dumps(there)) < 5_000_000
    file.unlink()  # it went along
    (scorer,) = there.scorers("tags")()
    assert scorer.vocabulary == tagger.vocabulary
    (scorer,) = Elsewhere.of(tagger.every("0.5"), "digits", "cpu", "auto", "auto", "0.5", 1).scorers("tags")()
    assert scorer.windows.hop == 0.5
    other = replace(Elsewhere.of(tagger, "digits", "cpu", "auto", "auto", None, 1), identity="0" * 12)
    with pytest.raises(TaggerError, match="digits: another tagger has this name.*Install the same version of earmark"):
        other.load()


def test_short_recordings_share_a_task_and_a_million_rows_do_not_make_a_million_tasks(monkeypatch):
    def rows(*sizes):
        return [stages.Row(n, Recording(Path(f"{n}.wav")), size, [n]) for n, size in enumerate(sizes)]

    def lengths(*sizes):
        tables = stages._tables(rows(*sizes))
        told = [row for table in tables for row in table.to_pylist()]
        assert [row["index"] for row in told] == list(range(len(sizes)))
        assert all(row["done"] == [row["index"]] and row["path"] == b"%d.wav" % row["index"] for row in told)
        return [len(table) for table in tables]

    big = stages.BYTES + 1
    assert lengths(*[1] * 70) == [32, 32, 6] and lengths(big, 1, 1, big, big) == [1, 2, 1, 1] and lengths() == []
    monkeypatch.setattr(stages, "TABLES", 4)
    assert lengths(*[big] * 10) == [3, 3, 3, 1]


def of_nodes(*resources):
    nodes = [{"Alive": True, "Resources": each} for each in resources] + [{"Alive": False, "Resources": {"CPU": 99.0}}]
    return SimpleNamespace(nodes=lambda: nodes)


def test_nets_read_for_themselves_but_on_gpus_and_leave_decoders_a_part_of_each_core():
    ray = of_nodes({"CPU": 4.0}, {"CPU": 2.0})
    assert plan_for(ray, Machines()) == plan_for(ray, Machines(decoders=0)) == Plan(6, 0, {"num_cpus": 1})
    assert plan_for(ray, Machines(cores=2)) == Plan(3, 0, {"num_cpus": 2})
    assert plan_for(ray, Machines(cores=2, decoders=3)) == Plan(3, 3, {"num_cpus": 1.9})
    assert plan_for(ray, Machines(nets=99, decoders=2)) == Plan(6, 2, {"num_cpus": 0.9})
    assert plan_for(ray, Machines(nets=1)) == Plan(1, 0, {"num_cpus": 1})
    gpus = of_nodes({"CPU": 8.0, "GPU": 2.0})
    assert plan_for(gpus, Machines()) == Plan(2, 8, {"num_gpus": 1, "num_cpus": 1})
    assert plan_for(gpus, Machines(decoders=0)) == Plan(2, 0, {"num_gpus": 1, "num_cpus": 1})
    assert plan_for(gpus, Machines(decoders=3)) == Plan(2, 3, {"num_gpus": 1, "num_cpus": 1})
    with pytest.raises(
        EarmarkError, match=r"no machine of the cluster has 3 cores for a net \(2, 1\).*--cluster cores=1"
    ):
        plan_for(of_nodes({"CPU": 2.0}, {"CPU": 1.0}), Machines(cores=3))


def test_what_goes_wrong_in_a_cluster_is_told_in_a_line():
    ray = SimpleNamespace(available_resources=lambda: {"CPU": 0.0}, cluster_resources=lambda: {"CPU": 4.0})
    waited = connected.told(TimeoutError(), ray, Machines(patience=60))
    assert "nothing came for 60 s; of the cluster's 4 cores 0 are free" in str(waited)
    ours = RuntimeError("of Ray")
    ours.cause = TaggerError("digits: another tagger")
    assert connected.told(ours, ray, Machines()) is ours.cause
    theirs = RuntimeError("a trace\nof many lines")
    theirs.cause = ValueError("of a net")
    assert "the cluster failed (ValueError: of a net). What is done is kept" in str(
        connected.told(theirs, ray, Machines())
    )


def test_relative_paths_start_where_the_command_runs(sound, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where a process of a cluster began
    cut = cut_for([Odd(Windows(1.0, 0.5))], 60.0, 1)
    told = {"index": 0, "path": b"short.wav", "channel": None, "done": [], "key": "k"}
    for folder, wrong in ((sound["short.wav"].parent, None), (tmp_path / "not here", "No such file or directory")):
        (table,) = stages.Decoders(cut, str(folder))(SimpleNamespace(to_pylist=lambda: [dict(told)]))
        (row,) = table.to_pylist()
        assert row["path"] == b"short.wav"
        if wrong is None:
            assert row["error"] is None and len(row["wave"]) == 4 * row["samples"]
        else:
            assert wrong in str(from_bytes(row["error"]).error)
