"""`earmark tag -`, `earmark events -` and `--live`: sound that is heard while it comes."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.inference import Recording

STDIN = Path("-")


def source(
    paths: list[Path] | None,
    live: bool,
    rate: int | None,
    channels: int | None,
    encoding: str | None,
    errors: Path | None,
    strict: bool,
) -> Recording | None:
    """What comes in while it is heard; None where recordings are named. Raises EarmarkError."""
    from earmark.errors import EarmarkError

    named = paths or []
    of_files = [name for name, value in (("--errors", errors), ("--strict", strict)) if value]
    if of_files and (live or STDIN in named):
        raise EarmarkError(
            f"{of_files[0]} is of recordings: {'--live' if live else '-'} ends at the first error anyway. Leave it out"
        )
    raw = [name for name, value in (("--channels", channels), ("--encoding", encoding)) if value is not None]
    if (live or STDIN in named) and len(named) > (not live):
        raise EarmarkError(
            f"{'--live' if live else '-'} goes by itself: name no recordings with it ({', '.join(map(str, named))})"
        )
    if STDIN in named:
        return _piped(rate, 1 if channels is None else channels, encoding or "s16le")
    if raw or (rate is not None and not live):
        raise EarmarkError(f"{raw[0] if raw else '--rate'} is of raw samples on standard input: name - for them")
    if live:
        from earmark.inference.live import Microphone, sounddevice

        sounddevice()
        return Microphone(rate=rate)
    if not named:
        raise EarmarkError(
            "name recordings or folders, - for raw samples on standard input, or --live for a microphone"
        )
    return None


def _piped(rate: int | None, channels: int, encoding: str) -> Recording:
    from earmark.errors import EarmarkError
    from earmark.inference import Raw

    if rate is None:
        raise EarmarkError("raw samples do not say their sample rate: give --rate, such as --rate 16000")
    if sys.stdin.isatty():
        raise EarmarkError(
            "standard input is the keyboard: let another program send raw samples, such as "
            f"ffmpeg -i recording -f s16le -ac 1 -ar {rate} - | earmark tag - --rate {rate}"
        )
    # without a buffer: a thread that waits in a buffered read would hold up the end of the program
    return Raw(
        reader=open(sys.stdin.fileno(), "rb", buffering=0, closefd=False),
        rate=rate,
        channels=channels,
        encoding=encoding,
    )


@contextlib.contextmanager
def until_stopped(recording: Recording) -> Iterator[None]:
    """The first Ctrl-C ends the recording, so that it is told what was heard; a second one the program."""
    before = signal.getsignal(signal.SIGINT) or signal.SIG_DFL

    def stop(*_: Any) -> None:
        signal.signal(signal.SIGINT, before)
        recording.stop()

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
