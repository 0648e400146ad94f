"""The two decoders: libsndfile for what it reads in whole, FFmpeg (PyAV, the extra `media`) for the rest.

Both give blocks of a recording's mix at its native rate, and say where the sound breaks off. Native frames; float32.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from earmark.containers import (
    AGAIN,
    CONVERT,
    CUT,
    LEFT_OVER,
    Fault,
    fault_of,
    left_over,
    looks_like,
    mp3_states_length,
    peek,
    sound_bytes,
)
from earmark.errors import AudioError

Wave = NDArray[np.float32]  # (samples,)
Report = Callable[[str], None]

BLOCK = 2**18  # frames decoded at a time: 6 s at 44.1 kHz, so that most clips take one call
BLOCK_VALUES = 2**22  # values (frames × channels) in a block at most: 16 MiB
SHORT_BY = 0.1  # seconds; containers round durations and codecs delay, so that less is no sign of a cut
# Bytes of a value of one channel, where that is a whole number of them
WIDTHS = {
    "PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1,
}  # fmt: skip
MP3_FRAME = 1_152  # samples in the longest unit of an MP3
# Formats that state no length, or state it where libsndfile alone reads it and makes do with less
UNSTATED = {"AVR", "HTK", "IRCAM", "MAT4", "MAT5", "MPC2K", "PAF", "PVF", "SDS", "VOC", "WVE", "XI"}
SAMPLE_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}  # FFmpeg's names
# Containers that state their duration; for others FFmpeg divides the size by a bit rate.
TIMED = {"mov", "matroska", "asf", "caf", "flac", "ogg", "aiff", "wav"}
MEDIA = "m4a/AAC, WMA, WebM and video need: pip install 'earmark[media]'"


@dataclass(frozen=True)
class Info:
    """What the header of a recording says. frames: per channel; duration: seconds; both None where it does not say."""

    path: Path
    sample_rate: int
    channels: int
    frames: int | None
    duration: float | None
    container: str
    codec: str
    decoder: Literal["libsndfile", "ffmpeg"]


class Damaged(Exception):
    """The sound breaks off. frames: how many can be read, from the beginning of the file."""

    def __init__(self, frames: int, problem: str, remedy: str):
        super().__init__(problem)
        self.frames, self.problem, self.remedy = frames, problem, remedy


class Source(Protocol):
    """An open recording.

    exact: whether `mono` may begin anywhere and still give the samples of the whole. floats: whether the file stores
    floats. fault: what shows before anything is decoded.
    """

    info: Info
    exact: bool
    floats: bool
    fault: Fault | None

    def mono(self, begin: int, end: int) -> Iterator[Wave]:
        """Blocks of the mix from the native frame `begin` to `end` or later, or to the end of the sound.

        Raises Damaged where the sound breaks off.
        """

    def close(self) -> None: ...


def decoder(path: Path, file: BinaryIO, salvage: bool, say: Report) -> Source:
    """libsndfile where it reads the file; FFmpeg where it does not, or would leave sound unread."""
    try:
        source = _Libsndfile(path, file, say)
    except soundfile.SoundFileError as error:
        return _FFmpeg(path, file, say, _reason(error))
    # libsndfile guesses the length of an MP3 that does not state it from the first frame, and stops there: at a fifth
    # of one that begins loud and varies its bit rate. A header of 0 samples it takes at its word.
    guessed = source.info.container == "MP3" and source.info.frames is None
    unfinished = source.info.frames == 0 and source.fault is not None and salvage
    if (guessed or unfinished) and _av() is not None:
        source.close()
        return _FFmpeg(path, file, say, "")
    return source


class _Straight(soundfile.SoundFile):  # type: ignore[misc]
    """A SoundFile that reads straight on, where the original seeks after each read to where it is: that spoils MP3."""

    def seekable(self) -> bool:
        return False


class _Libsndfile:
    """A recording that libsndfile decodes."""

    def __init__(self, path: Path, file: BinaryIO, say: Report):
        self._file, self._say = file, say
        self._sound = sound = self._open()
        container, codec = str(sound.format), str(sound.subtype)  # each asks libsndfile for all that it knows
        guessed = sound.frames >= 2**62 or (container == "MP3" and not mp3_states_length(file))
        self._frames = _stated_frames(file, sound, container, codec)
        frames = None if guessed else self._frames
        duration = None if frames is None else frames / sound.samplerate
        self.info = Info(path, sound.samplerate, sound.channels, frames, duration, container, codec, "libsndfile")
        # entered in the middle, an ADPCM decoder has no history; Ogg and MP3 miss the mark, and so does a FLAC whose
        # blocks are not all of one size, where the header lies about it
        self.exact = codec.startswith("PCM_") or codec in {"FLOAT", "DOUBLE", "ULAW", "ALAW"}
        if container == "FLAC":
            head = peek(file, 0, 12)
            self.exact = head[:4] == b"fLaC" and head[8:10] == head[10:12]
        self.floats = codec in {"FLOAT", "DOUBLE"}
        # the index of ALAC states frames that may not be there
        self.fault = fault_of(file, None if codec.startswith("ALAC") else duration)
        self._step = max(4_096, min(BLOCK, BLOCK_VALUES // sound.channels))

    def _open(self) -> _Straight:
        self._file.seek(0)
        # Through the descriptor libsndfile sees no name, so that .raw or .vox is told by content like any other.
        # On Windows two C libraries do not share descriptors; Python reads for libsndfile there.
        return _Straight(self._file if sys.platform == "win32" else self._file.fileno(), closefd=False)

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
                    yield mixed(frames)
                if len(frames) < wanted:
                    break
        except soundfile.SoundFileError as error:
            rescued = self._rescue(at)
            if len(rescued):
                yield mixed(rescued)
            at += len(rescued)
            seconds = at / self.info.sample_rate
            problem = f"is damaged: {seconds:.2f} s can be read, then libsndfile reports '{_reason(error)}'"
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
            if kind != "MP3" or stated - at > MP3_FRAME:
                raise Damaged(at, f"is cut off: {short}", CUT)
            self._say(short)
        if kind in UNSTATED:
            self._say(f"{seconds} were read; whether that is all of it cannot be told of the format {kind}")
        if kind not in {"MP3", "FLAC"} or self.fault is not None:
            return
        left = left_over(self._file)
        if left > LEFT_OVER and stated is None:
            problem = f"does not state its length; libsndfile stops at {seconds}, {left} bytes before the end"
            raise Damaged(at, problem, f"{MEDIA}; so does such an MP3")
        if left > LEFT_OVER:
            raise Damaged(at, f"goes on behind the {seconds} that it states, with {left} bytes of sound", CONVERT)


def _stated_frames(file: BinaryIO, sound: soundfile.SoundFile, container: str, codec: str) -> int:
    """Frames of a recording. In these containers libsndfile takes chunks behind the sound for more of it."""
    stated = sound_bytes(file) if container in {"W64", "NIST"} and codec in WIDTHS else None
    frames = int(sound.frames)
    if not stated or not stated[1]:  # 0: never finished, which is a fault
        return frames
    return min(frames, stated[1] // (WIDTHS[codec] * int(sound.channels)))


class _Nameless:
    """A file for FFmpeg: without its name, as anything called .gsm or .raw is sound or pictures to it."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.read, self.tell = file.read, file.tell

    def seek(self, to: int, whence: int = 0) -> int:
        try:
            return self._file.seek(to, whence)
        except OSError as error:  # a damaged file sends it anywhere; an exception would be printed
            return -(error.errno or 1)


class _FFmpeg:
    """A recording that FFmpeg decodes. refused: what libsndfile says of it, or nothing where it would read it."""

    exact = False

    def __init__(self, path: Path, file: BinaryIO, say: Report, refused: str):
        av, looks = _av(), looks_like(file) if refused else ""
        if looks:
            raise AudioError(path, f"is no recording: {looks}", AGAIN)
        if av is None:
            raise AudioError(path, f"is in no format that libsndfile reads ({refused})", MEDIA)
        self._path, self._say = path, say
        self._errors = (av.FFmpegError, OSError, ValueError)
        self.fault = fault_of(file, None)
        file.seek(0)
        try:
            # no protocols: a playlist must not lead to other files or to addresses
            options = {"protocol_whitelist": "none"}
            self._container = av.open(_Nameless(file), metadata_errors="replace", options=options)
        except self._errors as error:
            said = f"libsndfile: {refused}; FFmpeg: {_reason(error)}" if refused else f"FFmpeg: {_reason(error)}"
            problem = f"is no recording that can be decoded ({said})"
            raise AudioError(path, problem, f"See whether another program plays it. {AGAIN}") from error
        try:
            self._track = self._choose()
            self._at, self._end, self._jumped = 0, 0.0, False
            self._frames = self._decode()
            self._first = self._peek_first()
        except AudioError:
            self.close()
            raise
        self.floats = self._track.codec_context.name.startswith("pcm_f")
        self.info = self._describe()

    def close(self) -> None:
        self._container.close()

    def _choose(self) -> Any:
        streams = self._container.streams
        if not streams.audio:
            what = "pictures and no sound" if streams.video else "no sound"
            raise AudioError(self._path, f"holds {what}", "Leave it out, or name the file that has the sound")
        if len(streams.audio) > 1:
            self._say(f"{len(streams.audio)} sound tracks; the first is used")
        if streams.audio[0].codec_context is None:
            raise AudioError(
                self._path, "is in a codec that FFmpeg does not know", "Convert it with the program that made it"
            )
        return streams.audio[0]

    def _decode(self) -> Iterator[Any]:
        try:
            for packet in self._container.demux(self._track):
                yield from packet.decode()
        except self._errors as error:
            seconds = self._at / self.info.sample_rate if self._at else 0.0
            problem = f"is damaged: {seconds:.2f} s can be read, then FFmpeg reports '{_reason(error)}'"
            raise Damaged(self._at, problem, CUT) from error

    def _peek_first(self) -> Any:
        """The first frame: only it tells the rate for certain (AAC doubles the header's)."""
        try:
            first = next(self._frames, None)
        except Damaged as damage:
            raise AudioError(self._path, damage.problem, AGAIN, 0.0) from damage
        if first is None:
            raise AudioError(self._path, "holds no sound: a header, and not one sample behind it", AGAIN, 0.0)
        return first

    def _describe(self) -> Info:
        container, track, first = self._container, self._track, self._first
        duration = None
        if TIMED & set(container.format.name.split(",")):
            if track.duration:
                duration = float(track.duration * track.time_base)
            elif container.duration and not container.streams.video:  # with pictures it is theirs
                duration = container.duration / 1e6
        names = container.format.name, track.codec_context.name
        return Info(self._path, first.sample_rate, first.layout.nb_channels, None, duration, *names, "ffmpeg")

    def mono(self, begin: int, end: int) -> Iterator[Wave]:
        assert begin == 0, "not exact: from the beginning only"
        held: list[Wave] = []
        given = 0
        damage: Damaged | None = None
        try:
            for frame in itertools.chain([self._first], self._frames):
                self._check_frame(frame)
                held.append(mixed(_floats(frame)))
                self._at += frame.samples
                if self._at - given >= BLOCK:
                    yield joined(held)
                    held, given = [], self._at
            self._check_end()
        except Damaged as error:
            damage = error
        if self._at > given:
            yield joined(held)
        if damage:
            raise damage

    def _check_frame(self, frame: Any) -> None:
        rate, seconds = self.info.sample_rate, self._at / self.info.sample_rate
        if frame.sample_rate != rate:
            problem = f"changes its sample rate at {seconds:.2f} s, from {rate} to {frame.sample_rate} Hz"
            raise Damaged(self._at, problem, CONVERT)
        if frame.time is None:
            return
        jump = frame.time - (self._first.time or 0.0) - seconds
        if abs(jump) > SHORT_BY and not self._jumped:
            self._jumped = True
            self._say(f"its time stamps jump by {jump:.2f} s at {seconds:.2f} s; the sound is joined there")
        self._end = frame.time + frame.samples / rate

    def _check_end(self) -> None:
        stated, there = self.info.duration, self._at / self.info.sample_rate
        if stated is not None and max(there, self._end) + SHORT_BY < stated:
            problem = f"is cut off: its header states {stated:.2f} s of sound, {there:.2f} s are there"
            raise Damaged(self._at, problem, CUT)


def _floats(frame: Any) -> Wave:
    """A frame of FFmpeg → (frames, channels) float32. Integers fill their type: full scale is its largest number."""
    stored = np.dtype(SAMPLE_TYPES[frame.format.name.removesuffix("p")])
    channels = frame.layout.nb_channels
    if frame.format.is_planar:
        values = np.stack([np.frombuffer(plane, stored, frame.samples) for plane in frame.planes], 1)
    else:
        values = np.frombuffer(frame.planes[0], stored, frame.samples * channels).reshape(-1, channels)
    if stored.kind == "f":
        return values.astype(np.float32)
    middle = 128 if stored.kind == "u" else 0
    scaled: Wave = ((values - np.float64(middle)) * 2.0 ** (1 - 8 * stored.itemsize)).astype(np.float32)
    return scaled


def _av() -> Any:
    """PyAV, or None where the extra is not installed."""
    try:
        import av
    except ImportError:
        return None
    return av


def _reason(error: Exception) -> str:
    """What a decoder says, without its decoration."""
    said = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    if "possibly a pipe" in said:  # libsndfile's words for an MP3 of tags only
        return "no sound in it"
    return str(said).removeprefix("Error : ").rstrip(".")


def mixed(frames: Wave) -> Wave:
    """(frames, channels) → (frames,), the mean; channel by channel, as BLAS would round by the place in the block."""
    channels = frames.shape[1]
    if channels == 1:
        return frames[:, 0]
    with np.errstate(over="ignore", invalid="ignore"):  # infinite values are found later
        total: Wave = frames[:, 0] + frames[:, 1]
        for channel in range(2, channels):
            total += frames[:, channel]
    total *= np.float32(1 / channels)
    return total


def joined(parts: Iterable[Wave]) -> Wave:
    parts = [part for part in parts if len(part)]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
