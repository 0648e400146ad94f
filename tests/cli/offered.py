"""The commands of a verb, and arguments and options with which each has little to do; what lies there: `conftest.place`."""

from __future__ import annotations

from pathlib import Path

import click
from tests.program import get_command

from earmark import cli
from earmark.cli.terminal.needing import needs

# What a verb is given for its arguments and options, by their names; a new one that calls them so is run as it is.
VALUES = {
    "base": ["t.safetensors"], "data": ["clips.csv"], "dataset": ["table"], "folder": ["job"], "inputs": ["a.parquet", "b.parquet"],
    "kind": ["recipes"],
    "manifest": ["clips.csv"], "name": ["t.safetensors"], "net": ["net.tflite"], "paths": ["sound.wav"], "recording": ["sound.wav"],
    "recordings": ["."], "reviews": ["reviews.csv"],
    "examples": ["sound.wav"], "into": ["plan.yaml"], "recipe": ["plan.yaml"], "root": ["clips.csv"],
    "sounds": ["tags"], "source": ["a.parquet"], "store": ["e.parquet"], "teachers": ["t.safetensors"],
    "events": ["events.csv"], "systems": ["a.parquet", "b.parquet"], "taggers": ["t.safetensors"], "tagger": ["t.safetensors"],
    "what": ["tag"],
}  # fmt: skip
LITTLE = dict.fromkeys(("draws", "filters", "fold", "layers", "rounds", "scenes", "seconds", "steps"), "1") | {
    "permutations": "9",
    "resamples": "9",
    "labels": "labels.csv",
    "licence": "CC0-1.0",
    "origin": "made up",
    "host": "192.0.2.1",  # of no machine (RFC 5737): what would serve for ever ends there
    "token": "of sixteen or more",
}
OUT = {
    "adopt": "new.safetensors",
    "calibrate": "new.safetensors",
    "embed": "new.parquet",
    "ensemble": "new.parquet",
    "index": "new.csv",
    "start": "new",
    "review": "new.csv",
}  # where a name's ending matters; else a folder
ALSO = {
    ("calibrate", "data"),
    ("convert", "recordings"),
    ("review", "recordings"),
}  # options that one of several must be given of, or that another needs
TAGGERS = ("base", "name", "tagger", "teachers")  # arguments and options that name one


def commands(name: str) -> list[tuple[list[str], click.Command]]:
    """The verb, or those of its group: (words, command)."""
    command = get_command(cli.app).commands[name]
    inner = getattr(command, "commands", None)
    return [([name], command)] if inner is None else [([name, word], each) for word, each in inner.items()]


def given(name: str, command: click.Command, place: Path, tmp_path: Path, tagger: str | None = None) -> list[str]:
    """Arguments and options with which the command has little to do. tagger: to be taken wherever one is asked for."""
    words: list[str] = []
    for parameter in command.params:
        if (
            parameter.param_type_name == "argument"
            or parameter.required
            or (name, parameter.name) in ALSO
            or parameter.name == "tagger"
        ):
            option = [] if parameter.param_type_name == "argument" else [parameter.opts[0]]
            if parameter.name == "out":
                words += [*option, str(tmp_path / OUT.get(name, "out"))]
            else:
                assert parameter.name in VALUES, f"{name}: say in VALUES what its {parameter.name} may be"
                told = [tagger] if tagger and parameter.name in TAGGERS else VALUES[parameter.name]
                words += [*option, *(str(place / word) if (place / word).exists() else word for word in told)]
        elif parameter.name == "out" and name in OUT:
            words += [parameter.opts[0], str(tmp_path / OUT[name])]
        elif parameter.name in needs(command.callback):
            continue  # of another option, which is not given
        elif parameter.name in LITTLE or (name, parameter.name) == (
            "curve",
            "clips",
        ):  # of events and reviews: a folder
            word = LITTLE.get(parameter.name, "1")
            words += [parameter.opts[0], str(place / word) if (place / word).exists() else word]
    return words
