"""The two decoders: libsndfile for what it reads in whole, FFmpeg (PyAV, the extra `media`) for the rest.

Both give blocks of a recording's mix at its native rate, and say where the sound breaks off. Native frames; float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, cast

import soundfile

from earmark.audio import mpeg
from earmark.audio.containers import AGAIN, Fault, looks_like, peek
from earmark.audio.decoders.ffmpeg import FFmpeg, library
from earmark.audio.decoders.sndfile import Libsndfile
from earmark.audio.decoders.source import Damaged, Info, Mixer, Report, Source, Wave, joined, mixed, reason
from earmark.audio.layout import Layout, View, layout
from earmark.errors import AudioError, agreed, counted

__all__ = ["Damaged", "Info", "Mixer", "Report", "Source", "Wave", "decoder", "joined", "mixed"]


def decoder(path: Path, file: BinaryIO, salvage: bool, say: Report) -> Source:
    """libsndfile where it reads the file; FFmpeg where it does not, or would leave sound unread."""
    found = layout(file)
    if isinstance(found, Fault):
        if not salvage:
            raise AudioError(path, *found)
        say(f"{found.problem}; it is read by its bits")
    plain = found if isinstance(found, Layout) else None
    try:
        opened = Libsndfile(path, file, say)
    except soundfile.SoundFileError as error:
        if plain is not None and plain.frames:
            return _by_layout(path, file, say, plain)
        return _behind_zeros(path, file, salvage, say) or _by_ffmpeg(path, file, salvage, say, reason(error))
    if plain is not None:
        agreed = opened.info.frames in (None, plain.frames)
        if not agreed and (salvage or opened.fault is None) and plain.frames:
            opened.close()
            return _by_layout(path, file, say, plain)
        _justify(opened, plain, say)
    # libsndfile guesses the length of an MP3 that does not state it from the first frame, and stops there: at a fifth
    # of one that begins loud and varies its bit rate. A header of 0 samples it takes at its word.
    guessed = opened.info.container == "MP3" and opened.info.frames is None
    unfinished = opened.info.frames == 0 and opened.fault is not None and salvage
    if (guessed or unfinished) and library() is not None:
        opened.close()
        # without tags, which FFmpeg takes for damage where it does not know them
        return FFmpeg(path, cast(BinaryIO, View(file, 0, mpeg.sound_end(file))) if guessed else file, say, "")
    return opened


def _behind_zeros(path: Path, file: BinaryIO, salvage: bool, say: Report) -> Source | None:
    """A recording behind zeros, as some platforms store them; None where there is none."""
    begin = mpeg.zeros_before(file)
    return _later(path, file, begin, "zero byte", "zero bytes", salvage, say) if begin else None


def _by_ffmpeg(path: Path, file: BinaryIO, salvage: bool, say: Report, refused: str) -> Source:
    """What FFmpeg reads. It finds an MP3 behind anything, but says nothing of it, and reads its header as sound."""
    zeros = not peek(file, 0, 512).strip(b"\0")
    try:
        opened = FFmpeg(path, file, say, refused)
    except AudioError as error:
        if zeros:
            raise AudioError(path, f"is no recording: {looks_like(file)}", AGAIN) from error
        raise
    begin = mpeg.begins_at(file) if opened.info.container == "mp3" else 0
    if not begin:
        return opened
    opened.close()
    return _later(path, file, begin, "byte that is no sound", "bytes that are no sound", salvage, say)


def _later(path: Path, file: BinaryIO, begin: int, one: str, many: str, salvage: bool, say: Report) -> Source:
    say(f"begins with {counted(begin, one, many)}, which {agreed(begin, 'is', 'are')} left out")
    return decoder(path, cast(BinaryIO, View(file, begin)), salvage, say)


def _by_layout(path: Path, file: BinaryIO, say: Report, plain: Layout) -> Source:
    name = {b"RIFF": "WAV", b"RIFX": "WAV", b"riff": "W64", b".snd": "AU"}.get(
        opening := peek(file, 0, 4), opening.decode()
    )
    opened = Libsndfile(path, file, say, plain, name)
    _justify(opened, plain, say)
    return opened


def _justify(opened: Libsndfile, plain: Layout, say: Report) -> None:
    if plain.shift:
        opened.justify(plain.shift)
        say(
            f"its samples have {counted(plain.bits, 'bit')} in the lower part of {counted(plain.width, 'byte')}; they are read so"
        )
