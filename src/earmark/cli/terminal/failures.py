"""What ends a command, as a message and an exit status: all of it is decided here.

    0    all done; also where the reader of a pipe, such as head, has seen enough
    1    some recordings could not be read; the rest is done
    2    wrong usage, an input that contradicts itself or asks for too much, or what the system does not let read or write
    130  stopped with Ctrl-C

Whatever else ends a command is a mistake in the program, and its place is shown.
"""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from earmark.cli.terminal.console import say
from earmark.errors import AudioError
from earmark.errors.words import OUTPUT, message
from earmark.files.shown import Terminal
from earmark.files.shown import message as of_names
from earmark.files.whole import OF_DISKS

DONE, UNREADABLE, REFUSED, STOPPED = 0, 1, 2, 130


def ended(error: BaseException) -> int | None:
    """Say what ended a command; its exit status, or None for a mistake in the program."""
    if isinstance(error, BrokenPipeError) and (error.filename is not None or unread(sys.stdout, sys.stderr)):
        quiet(sys.stdout, sys.stderr)
        return DONE
    # a pipe to what Ctrl-C ended too may break while the command puts things in order; another error then is one to be told
    broken = isinstance(error, BrokenPipeError) and isinstance(error.__context__, KeyboardInterrupt)
    if broken or isinstance(error, KeyboardInterrupt):
        say("earmark: stopped")
        return STOPPED
    told = message(error)
    if told is None:
        return None
    say(f"earmark: {told}")
    return UNREADABLE if isinstance(error, AudioError) else REFUSED


@contextmanager
def named() -> Iterator[None]:
    """What was printed goes out before the status is known, so that a full disk or a closed pipe shows.

    Files that are written name themselves in errors; what is left without a name is the standard output.
    """
    try:
        try:
            yield
        except typer.Exit:
            sys.stdout.flush()
            raise
        sys.stdout.flush()
    except OSError as error:
        if error.filename is None and error.errno in OF_DISKS:
            error.filename = OUTPUT
            quiet(sys.stdout)
        raise


@contextmanager
def usage_shown() -> Iterator[None]:
    """Words of the command line that typer repeats, such as names that a shell put there, are shown as in all messages."""
    try:
        yield
    except Exception as error:
        told = getattr(error, "message", None)
        if hasattr(error, "format_message") and isinstance(told, str):
            error.message = of_names(told)  # type: ignore[attr-defined]
        raise


def guard_streams() -> None:
    """Names that are no Unicode go out as their bytes; on a terminal nothing of a name acts on it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
        if sys.stdout.isatty():
            sys.stdout = Terminal(sys.stdout)


def unread(*streams: object) -> bool:
    """Whether one of these is a pipe that nobody reads any more; so is what cannot be asked."""
    try:
        asked = select.poll()
        for stream in streams:
            asked.register(stream.fileno(), select.POLLOUT)  # type: ignore[attr-defined]
        return any(told & (select.POLLERR | select.POLLHUP) for _, told in asked.poll(0))
    except (OSError, ValueError, AttributeError):  # a stream that is no file; a system without it
        return True


def quiet(*streams: object) -> None:
    """Nothing more goes to these, whose ends would be met again when the program leaves."""
    for stream in streams:
        try:
            gone = os.open(os.devnull, os.O_WRONLY)
            os.dup2(gone, stream.fileno())  # type: ignore[attr-defined]
            os.close(gone)
        except (OSError, ValueError, AttributeError):  # a stream that is no file
            continue
