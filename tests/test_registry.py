"""Registries over small packages written for the test."""

import sys
import textwrap

import pytest

from earmark.errors import EarmarkError, UnknownName
from earmark.registry import AUGMENTATIONS, DATASETS, FEATURES, METRICS, NETS, Entry, Registry, did_you_mean


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes a package of plug-ins; gives a registry of what is in it."""
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def make(name, **modules):
        made.append(name)
        (tmp_path / name).mkdir()
        head = f"from earmark.registry import Registry\nTHINGS = Registry('thing', {name!r})\n"
        (tmp_path / name / "__init__.py").write_text(head)
        for module, source in modules.items():
            body = f"from {name} import THINGS\n" + textwrap.dedent(source)
            (tmp_path / name / f"{module}.py").write_text(body)
        registry = __import__(name).THINGS
        assert isinstance(registry, Registry)
        return registry

    yield make
    for module in [m for m in sys.modules if m.partition(".")[0] in made]:
        del sys.modules[module]


DUCK = '''
@THINGS.register(colour="white")
def duck(size: int, name: str = "Daisy"):
    """A duck.

    It quacks.
    """
    return size
'''


def test_plug_ins_are_found_without_being_listed(package):
    things = package("found", one=DUCK, two="@THINGS.register('goose')\nclass Bird:\n    '''A goose.'''")
    assert "found.one" not in sys.modules  # not before a name is looked up
    assert things.names() == ["duck", "goose"]
    assert "goose" in things
    assert "Bird" not in things
    assert 5 not in things
    assert things["duck"].facts == {"colour": "white"}
    assert things["duck"].function(7) == 7


def test_entry(package):
    entry = package("entry", one=DUCK)["duck"]
    assert entry.summary == "A duck."
    assert list(entry.arguments()) == ["size", "name"]
    assert Entry("nothing", lambda: 0).summary == ""


def test_two_of_one_name_in_two_files(package):
    things = package("twice", one=DUCK, two=DUCK)
    with pytest.raises(EarmarkError) as caught:
        things.names()
    assert str(caught.value) == "two things are called 'duck': twice.one.duck and twice.two.duck. Rename one of them"


def test_two_of_one_name_in_one_file(package):
    """As happens where a decorator is copied with its line."""
    things = package("copied", one=DUCK + "\n@THINGS.register('duck')\ndef drake():\n    pass\n")
    with pytest.raises(EarmarkError, match=r"'duck': copied\.one\.duck and copied\.one\.drake"):
        things.names()


def test_a_module_may_be_imported_again(package):
    import importlib

    things = package("again", one=DUCK)
    before = things["duck"].function
    importlib.reload(sys.modules["again.one"])
    assert things["duck"].function is not before


def test_a_broken_plug_in_is_not_passed_over(package):
    things = package("broken", one=DUCK, two="raise ImportError('no such library')")
    for _ in range(2):  # a second look-up must not take half the plug-ins for all
        with pytest.raises(ImportError, match="no such library"):
            things.names()


def test_unknown_name(package):
    things = package("unknown", one=DUCK, two="@THINGS.register()\ndef goose(): ...")
    with pytest.raises(UnknownName) as caught:
        things["duk"]
    assert str(caught.value) == "no thing is called 'duk', did you mean 'duck'? Known: duck, goose"
    with pytest.raises(UnknownName) as caught:
        things["elephant"]
    assert str(caught.value) == "no thing is called 'elephant'. Known: duck, goose"
    with pytest.raises(UnknownName, match="Known: none"):
        package("empty")["duck"]


def test_did_you_mean():
    assert did_you_mean("cnnspek", ["convnet1d", "cnnspec"]) == ", did you mean 'cnnspec'?"
    assert did_you_mean("x", ["convnet1d", "cnnspec"]) == "."
    assert did_you_mean("x", []) == "."


@pytest.mark.parametrize("registry", [NETS, FEATURES, DATASETS, AUGMENTATIONS, METRICS], ids=lambda r: r.kind)
def test_everything_registered_says_what_it_is(registry):
    assert registry.names()
    for name in registry.names():
        entry = registry[name]
        assert len(entry.summary) > 15, name
        assert entry.function.__module__.startswith("earmark."), name
        for argument in entry.arguments():
            assert argument.isidentifier(), name
