"""Nets that read for themselves: every piece is asked for, once but for what a death costs; whoever is idle takes over; what is read."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.audio import load
from earmark.inference import Recording, score
from earmark.inference.cluster.cutting import cut_for, expected, pieces
from earmark.inference.cluster.hearing import from_bytes
from earmark.inference.cluster.joining import join
from earmark.inference.cluster.reading import Reader
from earmark.inference.cluster.rows import Arrived, Row
from earmark.inference.cluster.sharing import SHORT, TOGETHER, TRIES, Answer, Ask, Part, Sharing, Spent
from earmark.inference.options import Options
from earmark.windows import Windows

RATE = 8_000


class Made:
    """A cluster of no machines: what a process does is told, and takes so long. lengths: of recordings, in pieces, by index."""

    def __init__(self, share: Sharing, lengths: dict[int, int], decode: float = 0.04):
        self.share, self.lengths, self.decode = share, lengths, decode
        self.asked: dict[str, list[Ask]] = {}
        self.heard: list[tuple[int, int]] = []
        self.begun: Counter[tuple[int, int]] = Counter()
        self.by: dict[str, float] = {}  # when each is done with what it did
        self.at: dict[tuple[str, int], int] = {}
        self.failed: list[Arrived] = []

    def fill(self, who: str) -> None:
        while (ask := self.share.take(who)) is not None:
            self.asked.setdefault(who, []).append(ask)

    def step(self, who: str) -> None:
        """The first of what it was asked for."""
        ask = self.asked[who].pop(0)
        rest, arrived, ended, known, spent = [], [], [], (), Spent()
        for part in ask.parts:
            number = part.first
            self.begun[part.index, number] += 1
            if number >= self.lengths[part.index]:
                ended.append((part.index, number))
                continue
            last = number + 1 == self.lengths[part.index]
            arrived.append(Arrived(part.index, number, last, 1.0, b""))
            if part.short and not last:
                rest.append(replace(part, first=1, short=False))
            if not part.short:
                before = self.at.get((who, part.index), 0)
                before = before if before <= number else 0
                decoded = number + 1 - before
                self.at[who, part.index] = number + 1
                spent += Spent(self.decode * decoded, decoded, 1.0, 1)
                known = ((part.index, self.lengths[part.index]),)
            self.by[who] = self.by.get(who, 0.0) + 1.0 + spent.decoding
        self.heard += [(each.index, each.number) for each in arrived]
        self.share.answered(who, Answer(tuple(arrived), tuple(rest), tuple(ended), known, spent))

    def die(self, who: str) -> None:
        for part in self.asked[who][0].parts[:1] if self.asked.get(who) else ():
            self.begun[part.index, part.first] += 1
        self.asked.pop(who, None)
        self.failed += self.share.lost(who)


def rows(lengths: dict[int, int], short: int = 2) -> list[Row]:
    return [
        Row(index, Recording(Path(f"{index}.wav")), count if count <= short else SHORT * count, ())
        for index, count in lengths.items()
    ]


def run(made: Made, names: list[str], rng: random.Random | None = None, deaths: float = 0.0) -> int:
    """In the order of the clock, or in any; how many processes died."""
    died = 0
    while not made.share.done:
        for name in names:
            made.fill(name)
        busy = [name for name in names if made.asked.get(name)]
        assert busy
        who = rng.choice(busy) if rng else min(busy, key=lambda name: made.by.get(name, 0.0))
        if rng and rng.random() < deaths:
            made.die(who)
            names[names.index(who)], died = f"{who}'", died + 1
        else:
            made.step(who)
    return died


@pytest.mark.parametrize("seed", range(20))
def test_every_piece_is_heard_and_none_twice_but_for_deaths(seed):
    rng = random.Random(seed)
    lengths = {index: rng.choice([1, 1, 1, 2, 3, 9, 40]) for index in range(rng.randint(1, 60))}
    every = sorted((index, number) for index, count in lengths.items() for number in range(count))
    made = Made(Sharing(rows(lengths)), lengths)
    run(made, list("abc"), rng)
    assert sorted(made.heard) == every and max(made.begun[piece] for piece in every) == 1
    made = Made(Sharing(rows(lengths)), lengths)
    died = run(made, list("abc"), rng, deaths=0.1)
    assert sorted(made.heard) == every and not made.failed
    assert sum(made.begun[piece] - 1 for piece in every) <= died  # the piece that it was at


def test_pieces_that_are_done_are_not_asked_for():
    made = Made(Sharing([Row(0, Recording(Path("a.wav")), 1, (0, 2, 3))]), {0: 6})
    run(made, ["a", "b"])
    assert sorted(made.heard) == [(0, 1), (0, 4), (0, 5)]


def test_short_recordings_are_asked_for_together_and_long_ones_are_of_one_process():
    lengths = dict.fromkeys(range(TOGETHER + 3), 1) | {100: 5, 101: 5}
    share = Sharing(rows(lengths))
    first, second = share.take("a"), share.take("a")
    assert first is not None
    assert second is not None
    assert [len(ask.parts) for ask in (first, second)] == [TOGETHER, 3]
    assert share.take("a") is None  # two are enough at once
    made = Made(Sharing(rows({0: 5, 1: 5})), {0: 5, 1: 5})
    run(made, ["a", "b"])
    assert made.at.keys() == {("a", 0), ("b", 1)}


@pytest.mark.parametrize("count", [2, 4, 9])
def test_whoever_is_idle_takes_over_the_later_pieces_of_a_long_recording(count):
    names = [f"{n}" for n in range(count)]
    made = Made(Sharing(rows({0: 400})), {0: 400})
    run(made, names)
    # as if each had its part of the pieces and had decoded the whole, and a little for the last ones
    assert max(made.by.values()) < 400 / count + 0.04 * 400 + 12 < 400
    assert len(made.heard) == 400 == len(set(made.heard))


def test_nothing_is_taken_over_where_decoding_what_lies_before_takes_longer():
    made = Made(Sharing(rows({0: 50})), {0: 50}, decode=2.5)
    run(made, ["a", "b"])
    assert made.by.keys() == {"a"}


def test_a_recording_at_which_processes_die_is_given_up_and_told():
    share = Sharing([Row(0, Recording(Path("bad.wav")), 1, ()), Row(1, Recording(Path("good.wav")), 1, ())])
    given_up: list[Arrived] = []
    for n in range(9):
        ask = share.take(f"{n}")
        if ask is None:
            break
        if any(part.index == 0 for part in ask.parts):
            assert not given_up
            given_up = share.lost(f"{n}")
        else:
            share.answered(f"{n}", Answer((Arrived(1, 0, True, 1.0, b""),)))
    (told,) = given_up
    assert share.done and told.last and told.index == 0
    assert f"bad.wav: cannot be heard: {TRIES} processes that read it ended" in str(from_bytes(told.data).error)


def test_an_error_in_a_recording_ends_what_others_have_before_them_of_it():
    share = Sharing(rows({0: 100}))
    assert share.take("a")
    first = Arrived(0, 0, False, 1.0, b"")
    share.answered("a", Answer((first,), pieces=((0, 100),), spent=Spent(0.04, 1, 1.0, 1)))
    assert share.take("a")
    assert share.take("a")
    over = share.take("b")
    assert over is not None
    assert over.parts[0].first > 40
    share.answered("b", Answer((replace(first, number=over.parts[0].first),)))
    share.answered("a", Answer((replace(first, number=1, last=True),)))
    share.answered("a", Answer((replace(first, number=2, last=True),)))
    assert share.done


class Loud:
    """The highest sample, and how often samples rise."""

    windows, task, sample_rate, vocabulary, floor = Windows(1.0, 0.5), "many", RATE, ("loud", "rising"), -60.0

    def score(self, waves):
        return np.stack([np.abs(waves).max(1), (np.diff(waves, axis=1) > 0).mean(1)], 1).astype(np.float32)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reading")
    rng = np.random.default_rng(0)
    for name, seconds in (("long.flac", 31), ("a.wav", 1), ("b.wav", 2), ("c.wav", 5)):
        soundfile.write(folder / name, rng.uniform(-0.5, 0.5, seconds * 11_025), 11_025)
    soundfile.write(folder / "cut.flac", rng.uniform(-0.5, 0.5, 120 * 11_025), 11_025)
    data = (folder / "cut.flac").read_bytes()
    (folder / "cut.flac").write_bytes(data[: len(data) // 2])
    return folder


def reader(place: Path, seconds: float = 4.0) -> Reader:
    made = Reader(lambda: [Loud()], cut_for([Loud()], seconds, 1), Options(1), 1, place / "nowhere", str(place))
    made.begin()
    return made


def part(name: str, first: int = 0, index: int = 0, short: bool = False) -> Part:
    return Part(index, name.encode(), None, "k", first, None if short else first + 1, short=short)


def test_pieces_are_those_of_the_recording_in_whatever_order_they_are_asked_for(place, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # relative paths start from the folder that is told
    made = reader(place)
    there = {piece.number: piece for piece in pieces(Recording(place / "long.flac"), made.cut)}
    count = len(there)
    assert count > 4 and expected(Recording(place / "long.flac"), made.cut) == count
    got = {}
    for number in (3, 4, 0, 1, 2, *range(5, count)):
        answer = made.hear(Ask((part("long.flac", number),)))
        ((one,), got[number]) = answer.arrived, from_bytes(answer.arrived[0].data)
        assert (one.number, one.last) == (number, number == count - 1) and one.seconds == len(there[number].wave) / RATE
        assert answer.pieces == (((0, count),) if not one.last else ())
    (whole,) = score(Loud(), [Recording(place / "long.flac")], batch=1)
    again = join(Recording(place / "long.flac"), 0, [got[n] for n in range(count)], [Loud()], Options(1))
    assert again.values.tobytes() == whole.values.tobytes() and again.duration == whole.duration
    assert made.hear(Ask((part("long.flac", count),))) == Answer(ended=((0, count),))
    assert made.hear(Ask((part("long.flac", count + 9, index=7),))) == Answer(ended=((7, count + 9),))


def test_short_recordings_are_heard_up_to_the_sound_of_a_piece_and_the_rest_is_told(place):
    made = reader(place)
    asked = tuple(
        part(name, index=n, short=True) for n, name in enumerate(("a.wav", "no.wav", "c.wav", "b.wav", "a.wav"))
    )
    answer = made.hear(Ask(asked))
    # c.wav reaches over a piece: its first piece is heard, then no more is begun
    assert [(each.index, each.number, each.last) for each in answer.arrived] == [
        (0, 0, True),
        (1, 0, True),
        (2, 0, False),
    ]
    assert "no.wav" in str(from_bytes(answer.arrived[1].data).error)
    assert answer.rest == (replace(asked[2], first=1, short=False), asked[3], asked[4])
    rest = made.hear(Ask((replace(asked[2], first=1, end=2, short=False),)))
    assert [(each.index, each.number, each.last) for each in rest.arrived] == [(2, 1, True)]
    wave = load(place / "c.wav", RATE)
    assert answer.arrived[2].seconds + rest.arrived[0].seconds > len(wave) / RATE


def test_damage_is_told_at_the_piece_that_was_asked_for_and_later_ones_are_not_there(place):
    made = reader(place)
    numbers = [made.hear(Ask((part("cut.flac", number),))).arrived[0] for number in range(20)]
    broken = next(each for each in numbers if each.last)
    assert 0 < broken.number < 19
    assert "is damaged" in str(from_bytes(broken.data).error)
    assert all(each.last for each in numbers[broken.number :])
    (behind,) = made.hear(Ask((part("cut.flac", 19, index=3),))).arrived  # whoever begins behind it meets it, too
    assert (behind.number, from_bytes(behind.data).error.problem) == (19, from_bytes(broken.data).error.problem)
