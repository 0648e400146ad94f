"""What phases may be called: each has a folder of its name in that of the run, beside the run's own files and folders."""

from __future__ import annotations

import re
from collections.abc import Sequence

from earmark.files import parts

# by their endings, so that those which later versions write are among them
FILES = re.compile(r"(?i).*\.(csv|html|jsonl?|lock|md|parquet|part|png|safetensors|txt|ya?ml)")
# taggers of every epoch; runs of folds and of seeds, which are looked for by these names; reports that lie beside a tagger
FOLDERS = re.compile(r"(?i)epochs|fold-.*|seed-.*|evaluation.*")


def name_mistakes(names: Sequence[str]) -> list[str]:
    """names: of all phases.

    >>> name_mistakes(["mix", "epochs"])
    ["phases: 'epochs' is what a run calls a folder of its own: each phase has a folder of its name there, so call it something else"]
    """
    mistakes = []
    for name in names:
        if why := parts.strange(name):
            mistakes.append(f"phases: {name!r} cannot be a phase's name, which becomes that of a folder: {why}")
        elif what := "file" if FILES.fullmatch(name) else "folder" if FOLDERS.fullmatch(name) else "":
            mistakes.append(
                f"phases: {name!r} is what a run calls a {what} of its own: each phase has a folder of its name there, so call it "
                "something else"
            )
    if (both := parts.alike(names)) is not None:
        mistakes.append(
            f"phases: {both[0]!r} and {both[1]!r} become one folder where large and small letters are not told apart: call one of "
            "them something else"
        )
    return mistakes
