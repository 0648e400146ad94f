"""The two decoders: libsndfile for what it reads in whole, FFmpeg (PyAV, the extra `media`) for the rest.

Both give blocks of a recording's mix at its native rate, and say where the sound breaks off. Native frames; float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import soundfile

from earmark.audio.decoders.ffmpeg import FFmpeg, library
from earmark.audio.decoders.sndfile import Libsndfile
from earmark.audio.decoders.source import Damaged, Info, Report, Source, Wave, joined, mixed, reason

__all__ = ["Damaged", "Info", "Report", "Source", "Wave", "decoder", "joined", "mixed"]


def decoder(path: Path, file: BinaryIO, salvage: bool, say: Report) -> Source:
    """libsndfile where it reads the file; FFmpeg where it does not, or would leave sound unread."""
    try:
        opened = Libsndfile(path, file, say)
    except soundfile.SoundFileError as error:
        return FFmpeg(path, file, say, reason(error))
    # libsndfile guesses the length of an MP3 that does not state it from the first frame, and stops there: at a fifth
    # of one that begins loud and varies its bit rate. A header of 0 samples it takes at its word.
    guessed = opened.info.container == "MP3" and opened.info.frames is None
    unfinished = opened.info.frames == 0 and opened.fault is not None and salvage
    if (guessed or unfinished) and library() is not None:
        opened.close()
        return FFmpeg(path, file, say, "")
    return opened
