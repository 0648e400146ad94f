"""FFmpeg, through PyAV (the extra `media`): what libsndfile does not read, or would leave unread."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from earmark.audio import mpeg
from earmark.audio.containers import AGAIN, CONVERT, CUT, fault_of, looks_like, peek
from earmark.audio.decoders import source
from earmark.audio.decoders.source import MEDIA, Damaged, Info, Mixer, Report, Wave, joined, reason
from earmark.errors import AudioError, counted

SHORT_BY = 0.1  # seconds; containers round durations and codecs delay, so that less is no sign of a cut
# What a stream without a container begins with; FFmpeg passes over what comes before
BEGINNINGS = {
    "aac": (b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9", b"ADIF", b"ID3"), "ac3": (b"\x0b\x77",), "eac3": (b"\x0b\x77",),
    "mpegts": (b"\x47",), "nut": (b"nut/",), "flv": (b"FLV",), "mpeg": (b"\0\0\1",),
    "dts": (b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80", b"\x1f\xff\xe8\0", b"\xff\x1f\0\xe8"),
}  # fmt: skip
LATE = 0.05  # seconds; what codecs need to begin is less
STARTS_AT_0 = {"mov", "matroska"}  # containers whose time begins at 0; elsewhere it begins with the first of the tracks
SAMPLE_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}  # FFmpeg's names
# Containers that state their duration; for others FFmpeg divides the size by a bit rate.
TIMED = {"mov", "matroska", "asf", "caf", "flac", "ogg", "aiff", "wav"}
# Containers that check or count themselves, so that a cut shows; of all others it cannot be told
WHOLE = TIMED | {"mp3", "avi", "tta", "wv", "ape", "mxf"}


def library() -> Any:
    """PyAV, or None where the extra is not installed."""
    try:
        import av
    except ImportError:
        return None
    return av


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


class FFmpeg:
    """A recording that FFmpeg decodes. refused: what libsndfile says of it, or nothing where it would read it."""

    exact = False

    def __init__(self, path: Path, file: BinaryIO, say: Report, refused: str):
        av, looks = library(), looks_like(file) if refused else ""
        if looks and peek(file, 0, 512).strip(b"\0"):  # of zeros it may find what comes behind
            raise AudioError(path, f"is no recording: {looks}", AGAIN)
        if av is None:
            raise AudioError(path, f"is in no format that libsndfile reads ({refused})", MEDIA)
        self._path, self._say, self._file = path, say, file
        self._errors = (av.FFmpegError, OSError, ValueError)
        self.fault, self.mix = fault_of(file, None), Mixer()
        file.seek(0)
        try:
            # no protocols: a playlist must not lead to other files or to addresses
            options = {"protocol_whitelist": "none"}
            self._container = av.open(_Nameless(file), metadata_errors="replace", options=options)
        except self._errors as error:
            said = f"libsndfile: {refused}; FFmpeg: {reason(error)}" if refused else f"FFmpeg: {reason(error)}"
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
        self._tell_late()
        self._tell_before(peek(file, 0, 12))

    def close(self) -> None:
        self._container.close()

    def _choose(self) -> Any:
        streams = self._container.streams
        if not streams.audio:
            what = "pictures and no sound" if streams.video else "no sound"
            raise AudioError(self._path, f"holds {what}", "Leave it out, or name the file that has the sound")
        if len(streams.audio) > 1:
            self._say(f"{counted(len(streams.audio), 'sound track')}; the first is used")
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
            problem = f"is damaged: {seconds:.2f} s can be read, then FFmpeg reports '{reason(error)}'"
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

    def _tell_before(self, head: bytes) -> None:
        """Say where something lies before the sound. head: the first bytes of the file."""
        name = self.info.container
        wanted = BEGINNINGS.get(name)
        # a transport stream of Blu-ray has four bytes of time before each packet
        if wanted and not head.startswith(wanted) and not (name == "mpegts" and head[4:5] == b"\x47"):
            self._say("begins with bytes that are no sound, which are left out")

    def _tell_late(self) -> None:
        """Say where the sound begins later than what the file shows with it, or than its clock where it shows nothing else."""
        others = len(self._container.streams) > 1 and not STARTS_AT_0 & set(self._container.format.name.split(","))
        start = (self._container.start_time or 0) / 1e6 if others else 0.0
        late = (self._first.time or 0.0) - start
        if late > LATE:
            self._say(
                f"its sound begins {late:.2f} s after the beginning of the file's time; times are counted from where the sound begins"
            )

    def mono(self, begin: int, end: int) -> Iterator[Wave]:
        assert begin == 0, "not exact: from the beginning only"
        held: list[Wave] = []
        given = 0
        damage: Damaged | None = None
        try:
            for frame in itertools.chain([self._first], self._frames):
                self._check_frame(frame)
                held.append(self.mix(_floats(frame)))
                self._at += frame.samples
                if self._at - given >= source.BLOCK:
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
        names = set(self.info.container.split(","))
        if not names & WHOLE:
            what = f"{self._at / self.info.sample_rate:.2f} s were read"
            self._say(f"{what}; whether that is all of it cannot be told of the format {self.info.container}")
        if "mp3" in names and mpeg.cut_off(self._file):
            seconds = self._at / self.info.sample_rate
            raise Damaged(self._at, f"is cut off: its last frame is incomplete, {seconds:.2f} s are there", CUT)
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
