"""`earmark show` of descriptions that lack something or tell it wrongly: what `load` refuses it refuses in the same words, and nothing
that a file tells ends in a traceback."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from safetensors.numpy import save
from tests.program import earmark

from earmark.errors import EarmarkError
from earmark.models import ensemble, loading
from earmark.models import file as taggerfile

WRONG = (None, "x", -1, 2.5, True, [], {}, ["x"], {"x": 1}, "1" * 30)
UNTOLD = "what it tells of itself is not what a tagger file tells"
OF_THE_FILE = ("format", "version", "sha256")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """(head, weights) of a tagger with graphs, of one without, which torch alone runs, and of an ensemble."""
    place = tmp_path_factory.mktemp("taggers")
    whole = taggerfile.read(loading.find("digits"))
    bare = {key: value for key, value in whole[0].items() if key not in ("graphs", "sha256")}
    own = {name: value for name, value in whole[1].items() if not name.startswith("int8.")}
    members = [loading.load("digits"), loading.load("digits")]
    ensemble.Ensemble(members, "geometric", temperature=1.5).save(place / "both.safetensors")
    return {
        "graphs": whole,
        "torch": (bare | {"sha256": taggerfile.digest(own, bare)}, own),
        "ensemble": taggerfile.read(place / "both.safetensors"),
    }


def places(plain, path=()):
    """Every place in plain values, of lists the first two."""
    items = plain.items() if isinstance(plain, dict) else enumerate(plain[:2]) if isinstance(plain, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(head, path, value):
    """value: put there; `...` takes the place away."""
    told = copy.deepcopy(head)
    inner = told
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return told


def write(path, weights, head, *, digest):
    """digest: made anew, as by whoever writes such a file; else the old one, as of a file that was altered."""
    own = {key: value for key, value in head.items() if key != "sha256"}
    told = own | {"sha256": taggerfile.digest(weights, own)} if digest else head
    path.write_bytes(save(weights, {taggerfile.FORMAT: json.dumps(told)}))


def refusal(path):
    try:
        loading.load(path)
    except EarmarkError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", ["graphs", "torch", "ensemble"])
def test_what_load_refuses_is_not_shown(files, tmp_path, kind):
    (head, weights), file = files[kind], tmp_path / "t.safetensors"
    chance = np.random.default_rng(0)
    seen = {"shown": 0, "refused": 0}
    for path in places(head):
        if path[0] in OF_THE_FILE or (path[:2] == ("members", 1) and len(path) > 3):  # the other member is as the first
            continue
        value = ... if chance.random() < 0.4 else WRONG[chance.integers(len(WRONG))]
        write(file, weights, changed(head, path, value), digest=True)
        done = earmark("show", file)
        said = f"{path} = {value!r}: {done.stderr}"
        assert done.returncode in (0, 2) and "Traceback" not in done.stderr, said
        if kind != "torch" and (wanted := refusal(file)) is not None:  # the net is not built to be shown
            assert done.returncode == 2 and wanted in done.stderr, f"{said}, and load says {wanted}"
        elif kind != "torch" and done.returncode:
            assert UNTOLD in done.stderr, said
        if done.returncode:
            assert done.stderr.startswith(f"earmark: {file}: ") and not done.stdout, said
        seen["refused" if done.returncode else "shown"] += 1
    assert min(seen.values()) > 20


@pytest.mark.parametrize("kind", ["graphs", "torch", "ensemble"])
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_altered_files_are_not_shown(files, tmp_path, kind, more):
    """One with another figure, or another bit in the weights, would be shown as if it were sound."""
    (head, weights), file = files[kind], tmp_path / "t.safetensors"
    write(file, weights, head, digest=False)
    assert earmark("show", file, *more).returncode == 0
    whole = bytearray(file.read_bytes())
    whole[-1] ^= 1
    file.write_bytes(whole)
    for told in (None, head | {"facts": {}}, head | {"more": 1}):
        if told is not None:
            write(file, weights, told, digest=False)
        done = earmark("show", file, *more)
        assert done.returncode == 2 and not done.stdout
        assert done.stderr == f"earmark: {refusal(file)}\n" and "its checksum differs" in done.stderr


@pytest.mark.parametrize("kind", ["graphs", "ensemble"])
def test_what_is_lacking_is_said(files, tmp_path, kind):
    (head, weights), file = files[kind], tmp_path / "t.safetensors"
    lacking = ("recipe", "vocabulary", "facts") if kind == "graphs" else ("members", "weights", "rule", "facts")
    for key in lacking:
        write(file, weights, changed(head, (key,), ...), digest=True)
        done = earmark("show", file)
        assert done.returncode == 2 and f"its description is damaged (it has no {key!r})" in done.stderr
