"""Runs calls in children of one process that has imported the library already, each with no more memory and work than allowed.

    python driver.py MEGABYTES SECONDS

Each line that it reads is a list of calls in JSON, and a line with a list of their results is its answer. It ends with its input.
A call is a list of words: those of `earmark`, or "read_events" or "embeddings" and a file. A child may take so many megabytes more than the
library itself, and so many seconds of a processor: beyond them it is killed, or gets no memory.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile


def here() -> int:
    """Bytes of address space that this process has."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def child(words: list[str], said: int, megabytes: int, seconds: int) -> None:
    """Never returns. said: where its standard error goes."""
    os.dup2(said, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    most = here() + megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    status = 70
    try:
        if words[0] in READERS:
            try:
                READERS[words[0]](words[1])
                status = 0
            except EarmarkError as error:
                print(error, file=sys.stderr)
                status = 2
        else:
            sys.argv = ["earmark", *words]
            main()
            status = 0
    except SystemExit as leave:
        status = leave.code or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def run(words: list[str], megabytes: int, seconds: int) -> dict[str, object]:
    with tempfile.TemporaryFile() as said:
        if not (process := os.fork()):
            child(words, said.fileno(), megabytes, seconds)
        _, ended, used = os.wait4(process, 0)
        said.seek(0)
        text = said.read().decode("utf-8", "replace")
    return {"status": os.waitstatus_to_exitcode(ended), "said": text, "seconds": used.ru_utime + used.ru_stime}


if __name__ == "__main__":
    import torch

    from earmark import recipe
    from earmark.cli import main
    from earmark.data import manifest  # noqa: F401
    from earmark.errors import EarmarkError
    from earmark.events import formats
    from earmark.models import loading  # noqa: F401
    from earmark.registry import AUGMENTATIONS, FEATURES, METRICS, NETS
    from earmark.scores import Embeddings

    READERS = {"read_events": formats.read, "embeddings": Embeddings.load}

    torch.set_num_threads(1)
    for registry in (AUGMENTATIONS, FEATURES, METRICS, NETS):
        registry.names()
    recipe.shipped()
    megabytes, seconds = map(int, sys.argv[1:])
    for line in sys.stdin:
        print(json.dumps([run(words, megabytes, seconds) for words in json.loads(line)]), flush=True)
