"""What an error says of a name that is not UTF-8 can be printed, by every class of errors and every function that is given such a file."""

from __future__ import annotations

import importlib
import io
import os
import pickle
import pkgutil

import pytest

import earmark
from earmark.errors import AudioError, EarmarkError, RecipeError
from earmark.recipe import load as load_recipe
from earmark.scores import Scores

ODD, TOLD = os.fsdecode(b"M\xfccke"), r"M\xfccke"
ASKED = {
    "load": (".safetensors", earmark.load),
    "tag": (".wav", lambda file: earmark.load("digits").tag(file)),
    "events": (".wav", lambda file: earmark.load("digits").events(file)),
    "audio": (".wav", lambda file: earmark.audio.load(file, 16_000)),
    "read_events": (".csv", earmark.read_events),
    "scores": (".parquet", Scores.load),
    "recipe": (".yaml", load_recipe),
}


def kinds(kind: type[EarmarkError]) -> set[type[EarmarkError]]:
    return {kind}.union(*(kinds(each) for each in kind.__subclasses__()))


def every_kind() -> list[type[EarmarkError]]:
    """Of the package's modules that can be imported here."""
    for module in pkgutil.walk_packages(earmark.__path__, "earmark."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except ImportError:  # of an extra that is not there
                continue
    return sorted(kinds(EarmarkError), key=lambda kind: kind.__name__)


def test_every_kind_of_error_can_be_printed():
    found = every_kind()
    assert {AudioError, RecipeError} < set(found)
    for kind in found:
        error = kind.__new__(kind)
        Exception.__init__(error, f"{ODD}.wav: is empty")
        assert str(error) == rf"{TOLD}.wav: is empty", kind
        print(error, file=io.TextIOWrapper(io.BytesIO(), "utf-8"))


def test_its_path_is_still_that_of_the_file(tmp_path):
    error = AudioError(tmp_path / f"{ODD}.wav", "is empty")
    assert os.fsencode(error.path).endswith(b"M\xfccke.wav") and pickle.loads(pickle.dumps(error)).path == error.path


@pytest.mark.parametrize("there", [True, False], ids=["of another kind", "not there"])
@pytest.mark.parametrize("asked", ASKED)
def test_every_function_that_takes_a_file(asked, there, tmp_path):
    ending, ask = ASKED[asked]
    file = tmp_path / f"{ODD}{ending}"
    if there:
        file.write_bytes(b"\0nothing\n")
    with pytest.raises(EarmarkError) as told:
        ask(file)
    assert TOLD in str(told.value) and str(told.value).encode()
