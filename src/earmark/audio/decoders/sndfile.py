"""libsndfile: WAV, FLAC, Ogg, MP3 and the rarer formats, with what it does not tell by itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from earmark.audio import mpeg
from earmark.audio.containers import (
    CONVERT,
    CUT,
    LEFT_OVER,
    Fault,
    fault_of,
    peek,
    size_of,
    sound_bytes,
    sound_place,
)
from earmark.audio.decoders import source
from earmark.audio.decoders.source import MEDIA, Damaged, Info, Mixer, Report, Wave, reason
from earmark.audio.layout import Layout, View
from earmark.errors import counted
from earmark.files.stores import Ranged

BLOCK_VALUES = 2**22  # values (frames × channels) in a block at most: 16 MiB
# Bytes of a value of one channel, where that is a whole number of them
WIDTHS = {
    "PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1,
}  # fmt: skip
MP3_FRAME = 1_152  # samples in the longest unit of an MP3
# Formats that state no length, or state it where libsndfile alone reads it and makes do with less
UNSTATED = {"AVR", "HTK", "IRCAM", "MAT4", "MAT5", "MPC2K", "PAF", "PVF", "SDS", "VOC", "WVE", "XI"}


class Straight(soundfile.SoundFile):  # type: ignore[misc]
    """A SoundFile that reads straight on, where the original seeks after each read to where it is: that spoils MP3."""

    def seekable(self) -> bool:
        return False


class Libsndfile:
    """A recording that libsndfile decodes."""

    def __init__(self, path: Path, file: BinaryIO, say: Report, layout: Layout | None = None, name: str = ""):
        """layout: of the samples, where libsndfile must not go by the header; name: of the container then."""
        self._file, self._say, self._layout = file, say, layout
        self._scale = np.float32(1)
        self._sound = sound = self._open()
        container, codec = name or str(sound.format), str(sound.subtype)  # each asks libsndfile for all that it knows
        guessed = sound.frames >= 2**62 or (container == "MP3" and not mpeg.states_length(file))
        self._frames = int(sound.frames) if layout else _stated_frames(file, sound, container, codec)
        frames = None if guessed else self._frames
        duration = None if frames is None else frames / sound.samplerate
        self.info = Info(path, sound.samplerate, sound.channels, frames, duration, container, codec, "libsndfile")
        # entered in the middle, an ADPCM decoder has no history; Ogg and MP3 miss the mark, and so does a FLAC whose
        # blocks are not all of one size, where the header lies about it
        self.exact = codec.startswith("PCM_") or codec in {"FLOAT", "DOUBLE", "ULAW", "ALAW"}
        if container == "FLAC":
            head = peek(file, 0, 12)
            self.exact = head[:4] == b"fLaC" and head[8:10] == head[10:12]
        self.mix = Mixer()
        self.floats = codec in {"FLOAT", "DOUBLE"}
        # the index of ALAC states frames that may not be there
        self.fault = fault_of(file, None if codec.startswith("ALAC") else duration)
        self.fault = self.fault or (None if layout else self._left_unread(codec))
        self._step = max(4_096, min(source.BLOCK, BLOCK_VALUES // sound.channels))

    def justify(self, shift: int) -> None:
        """Values are too small by 2^shift, as they stand."""
        self._scale = np.float32(2.0**shift)

    def _justified(self, frames: Wave) -> Wave:
        """Values that stand in the lower bits, with copies of their sign above, or with zeros, as full scale wants them."""
        frames = frames * self._scale
        return np.where(frames >= 1, frames - np.float32(2), frames)

    def _open(self) -> Straight:
        if self._layout is not None:
            as_raw = {
                "samplerate": self._layout.rate, "channels": self._layout.channels, "format": "RAW",
                "subtype": self._layout.subtype, "endian": "BIG" if self._layout.big else "LITTLE",
            }  # fmt: skip
            return Straight(View(self._file, self._layout.begin, self._layout.end), **as_raw)
        self._file.seek(0)
        if isinstance(self._file, View):
            return Straight(self._file)
        # Through the descriptor libsndfile sees no name, so that .raw or .vox is told by content like any other.
        # On Windows two C libraries do not share descriptors; Python reads for libsndfile there.
        # What comes from a store has no descriptor.
        by_python = sys.platform == "win32" or isinstance(self._file, Ranged)
        return Straight(self._file if by_python else self._file.fileno(), closefd=False)

    def _left_unread(self, codec: str) -> Fault | None:
        """Where the sound reaches to the end of the file by its header, but libsndfile stops before."""
        place = sound_place(self._file)
        if place is None or place[1] is not None or codec not in WIDTHS:
            return None
        left = size_of(self._file) - place[0] - self._frames * WIDTHS[codec] * self.info.channels
        if left <= LEFT_OVER or self.info.container not in {"AIFF", "CAF"}:
            return None
        seconds = self._frames / self.info.sample_rate
        return Fault(
            f"is larger than its format can be: {seconds:.2f} s of it can be read, {counted(left, 'byte follows', 'bytes follow')}",
            CONVERT,
            seconds,
        )

    def close(self) -> None:
        self._sound.close()

    def mono(self, begin: int, end: int) -> Iterator[Wave]:
        at, stop = begin, min(end, self._frames)
        try:
            if begin:
                self._enter(begin)
            while at < stop:
                wanted = min(self._step, stop - at)
                frames = self._sound.read(wanted, "float32", always_2d=True)
                at += len(frames)
                if len(frames):
                    yield self.mix(frames if self._scale == 1 else self._justified(frames))
                if len(frames) < wanted:
                    break
        except soundfile.SoundFileError as error:
            rescued = self._rescue(at)
            if len(rescued):
                yield self.mix(rescued)
            at += len(rescued)
            seconds = at / self.info.sample_rate
            problem = f"is damaged: {seconds:.2f} s can be read, then libsndfile reports '{reason(error)}'"
            raise Damaged(at, problem, CUT) from error
        if at < end:
            self._check_end(at)

    def _enter(self, begin: int) -> None:
        try:
            self._sound.seek(begin)
        except soundfile.SoundFileError:  # a damaged index; the sound itself may be whole
            self._again(begin)

    def _again(self, at: int) -> None:
        """Open the file once more and read on to the frame `at`."""
        self._sound.close()
        self._sound = self._open()
        for done in range(0, at, self._step):
            self._sound.read(min(self._step, at - done), "float32")

    def _rescue(self, at: int) -> Wave:
        """(frames, channels) between `at` and the damage: a read that fails does not tell how far it came."""
        frames = np.full((self._step, self.info.channels), np.nan, np.float32)
        try:
            self._again(at)
            self._sound.read(out=frames)
        except soundfile.SoundFileError:
            pass
        unread = np.isnan(frames).any(1)
        return frames[: int(np.argmax(unread))] if unread.any() else frames

    def _check_end(self, at: int) -> None:
        """What was read against what the header states and what the file holds."""
        rate, stated, kind = self.info.sample_rate, self.info.frames, self.info.container
        seconds = f"{at / rate:.2f} s"
        if stated is not None and at < stated:
            short = f"its header states {stated / rate:.2f} s of sound, {seconds} are there"
            # an MP3 within a WAV states the samples that its encoder was late by, which are left out; what is cut off its bytes tell
            if self.info.codec.startswith("MPEG_LAYER") and kind != "MP3" and stated - at <= 2 * MP3_FRAME:
                return
            if kind != "MP3" or stated - at > MP3_FRAME:
                raise Damaged(at, f"is cut off: {short}", CUT)
            self._say(short)
        if kind in UNSTATED:
            self._say(f"{seconds} were read; whether that is all of it cannot be told of the format {kind}")
        if kind not in {"MP3", "FLAC"} or self.fault is not None:
            return
        left = mpeg.left_over(self._file)
        if left > LEFT_OVER and stated is None:
            problem = (
                f"does not state its length; libsndfile stops at {seconds}, {counted(left, 'byte')} before the end"
            )
            raise Damaged(at, problem, f"{MEDIA}; so does such an MP3")
        if left > LEFT_OVER:
            raise Damaged(
                at, f"goes on behind the {seconds} that it states, with {counted(left, 'byte')} of sound", CONVERT
            )


def _stated_frames(file: BinaryIO, sound: soundfile.SoundFile, container: str, codec: str) -> int:
    """Frames of a recording. In these containers libsndfile takes chunks behind the sound for more of it."""
    stated = sound_bytes(file) if container in {"W64", "NIST"} and codec in WIDTHS else None
    frames = int(sound.frames)
    if not stated or not stated[1]:  # 0: never finished, which is a fault
        return frames
    return min(frames, stated[1] // (WIDTHS[codec] * int(sound.channels)))
