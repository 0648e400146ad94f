"""The program: `earmark`, and `python -m earmark` for where the command is not on the path, or several Pythons have one.

It imports nothing of its own before it can be stopped: Ctrl-C ends it as a command that was stopped while its modules are imported, too.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

STOPPED = 130  # as `earmark.cli.terminal.failures`


def main() -> None:
    """The entry point."""
    # another handler: who started it wants it to go on, as nohup does
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        from earmark.cli import main as begin

        return begin()
    signal.signal(signal.SIGINT, _leave)  # in the midst of imports an exception comes out as another, or not at all
    try:
        from earmark.cli import main as begin

        signal.signal(signal.SIGINT, signal.default_int_handler)
        begin()
    except KeyboardInterrupt:  # between the two
        _leave()
    finally:
        # all is said: what is left is to leave, of which no trace is wanted
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _leave(number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
    """Nothing was begun, so that nothing is put in order."""
    os.write(2, b"earmark: stopped\n")
    os._exit(STOPPED)


if __name__ == "__main__":
    main()
