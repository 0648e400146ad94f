"""Recordings by their channels: one, or each by itself; and what was heard in these as one result of the file."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from earmark.inference.recordings import Failure, Recording, Scored
    from earmark.scores import Event


@dataclass(frozen=True)
class Channels:
    """Which are heard: one, from 1; each by itself; or, by default, the mix of all. Raises EarmarkError for both."""

    one: int | None = None
    each: bool = False

    def __post_init__(self) -> None:
        from earmark.errors import EarmarkError

        if self.one is not None and self.each:
            raise EarmarkError(f"--channel {self.one} is one, and --each-channel are all: leave one of them out")

    @property
    def apart(self) -> bool:
        """Whether results tell the channel."""
        return self.one is not None or self.each

    def as_dict(self) -> dict[str, Any]:
        """What a job goes on with; nothing of the mix, as jobs were begun before."""
        return ({} if self.one is None else {"channel": self.one}) | ({"channels": "each"} if self.each else {})

    def recordings(self, todo: Sequence[Path]) -> Sequence[Recording]:
        """A recording for each channel that is heard by itself, one after the other."""
        if not self.each:
            return Sounds(todo, self.one)
        from earmark import audio
        from earmark.errors import AudioError
        from earmark.inference.recordings import Recording

        made: list[Recording] = []
        for path in todo:
            try:
                channels: Sequence[int | None] = range(1, audio.info(path).channels + 1)
            except AudioError:  # which is told when it is heard
                channels = [None]
            made += [Recording(path, channel=channel) for channel in channels]
        return made


MIX = Channels()


class Sounds(Sequence["Recording"]):
    """A recording of each path, made as it is asked for: there may be millions."""

    def __init__(self, paths: Sequence[Path], channel: int | None):
        self.paths, self.channel = paths, channel

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, which: int) -> Recording: ...

    @overload
    def __getitem__(self, which: slice) -> Sequence[Recording]: ...

    def __getitem__(self, which: int | slice) -> Recording | Sequence[Recording]:
        from earmark.inference.recordings import Recording

        if isinstance(which, slice):
            return Sounds(self.paths[which], self.channel)
        return Recording(self.paths[which], channel=self.channel)


def together(
    results: Iterable[tuple[Scored | Failure, list[Event]]], recordings: Sequence[Recording]
) -> Iterator[tuple[Scored | Failure, list[Event]]]:
    """The events of each file's channels as one result, by onset with the channel; the first failure, if any."""
    from earmark.inference.recordings import Failure

    coming = iter(results)
    for channels in _of_files(recordings):
        parts = [(recording, *next(coming)) for recording in channels]
        heard = _one([each for _, each, _ in parts])
        if isinstance(heard, Failure):
            yield heard, []
        else:
            yield heard, sorted(replace(e, channel=recording.channel) for recording, _, found in parts for e in found)


def by_file(
    results: Iterable[Scored | Failure], recordings: Sequence[Recording]
) -> Iterator[tuple[Scored | Failure, list[Scored]]]:
    """The channels of each file: the first, with what is to be said of all, and all of them; or the first failure."""
    from earmark.inference.recordings import Failure

    coming = iter(results)
    for channels in _of_files(recordings):
        parts = [next(coming) for _ in channels]
        heard = _one(parts)
        yield heard, [] if isinstance(heard, Failure) else [each for each in parts if not isinstance(each, Failure)]


def _of_files(recordings: Sequence[Recording]) -> Iterator[list[Recording]]:
    for _, channels in itertools.groupby(recordings, key=lambda recording: recording.path):
        yield list(channels)


def _one(parts: Sequence[Scored | Failure]) -> Scored | Failure:
    """The first channel, with the notes on all; silent where all are, unheard what may be so in all. Or the first failure."""
    from earmark.inference.recordings import Failure

    heard: list[Scored] = []
    for each in parts:
        if isinstance(each, Failure):
            return each
        heard.append(each)
    notes = tuple(dict.fromkeys(note for each in heard for note in each.notes))
    silent, unheard = all(each.silent for each in heard), min(each.unheard for each in heard)
    return heard[0] if len(heard) == 1 else replace(heard[0], notes=notes, silent=silent, unheard=unheard)
