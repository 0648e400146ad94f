"""Every number of a recipe: it has bounds on both sides, true is none, and it is what it says it is."""

from __future__ import annotations

import typing

import pytest
from pydantic import BaseModel
from tests.test_recipe import file_mistakes, good, mistakes, write  # noqa: F401 (a fixture)

from earmark import recipe
from earmark.recipe import text
from earmark.recipe.schema import Distil, Head, Recipe, ResizeTo

# sections that a recipe may lack
LACKING = {"head": {"width": 4}, "resize": {"bands": 8, "frames": 8}, "distil": {}}
assert {key: Recipe.model_fields[key].annotation for key in LACKING} == {
    "head": Head | None, "resize": ResizeTo | None, "distil": Distil | None,
}  # fmt: skip


def leaves(section: type[BaseModel] = Recipe, path: str = ""):
    """(path, kinds, whether there are two) of all numbers and truths of the schema. Those of `phases` are these again."""
    for name, field in section.model_fields.items():
        parts = [field.annotation, *typing.get_args(field.annotation)]
        inner = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
        if inner and name != "phases":
            yield from leaves(inner[0], f"{path}{name}__")
        pair = typing.get_origin(field.annotation) is tuple
        flat = {typing.get_args(part)[0] if typing.get_origin(part) is typing.Annotated else part for part in parts}
        if kinds := flat & {int, float, bool}:
            yield f"{path}{name}", kinds, pair


LEAVES = {path: (kinds, pair) for path, kinds, pair in leaves()}
NUMBERS = {path: told for path, told in LEAVES.items() if told[0] != {bool} and path != "data__validation"}
TRUTHS = [path for path, (kinds, _) in LEAVES.items() if kinds == {bool}]


def told(path, value, pair=False):
    """What is wrong with a recipe in which this key has this value."""
    section = path.partition("__")[0]
    raw = good(**({section: dict(LACKING[section])} if section in LACKING else {}))
    place = raw
    *steps, last = path.split("__")
    for step in steps:
        place = place.setdefault(step, {})
    place[last] = [0.5, value] if pair else value
    return [line for line in mistakes(raw) if line.startswith(path.replace("__", "."))]


def test_all_sections_are_gone_through():
    assert {
        "train__optimiser__betas",
        "train__epochs",
        "windows__hop",
        "seed",
        "resize__bands",
        "distil__share",
    } <= set(NUMBERS)
    assert TRUTHS == ["train__renew_statistics"]
    assert len(NUMBERS) >= 30


@pytest.mark.parametrize("path", NUMBERS)
def test_a_number_has_bounds_on_both_sides(path):
    kinds, pair = NUMBERS[path]
    for value in [-1, 10**19] if int in kinds else [-1e-9, 1e300, -1e300, float("inf"), float("nan")]:
        (line,) = told(path, value, pair)
        assert len(line) > len(path) + len(": ")


@pytest.mark.parametrize("path", NUMBERS)
@pytest.mark.parametrize("value", [True, False])
def test_true_is_no_number(path, value):
    kinds, pair = NUMBERS[path]
    (line,) = told(path, value, pair)
    wanted = "hold numbers" if pair else "be a whole number" if int in kinds else "be a number"
    assert line.startswith(f"{path.replace('__', '.')}: should {wanted}, not true or false")


@pytest.mark.parametrize("path", TRUTHS)
@pytest.mark.parametrize("value", [0, 1, "yes", "false", 1.0])
def test_a_number_or_a_text_is_not_true(path, value):
    (line,) = told(path, value)
    assert line.startswith(f"{path.replace('__', '.')}: should be true or false")


def test_what_is_said_of_betas():
    assert told("train__optimiser__betas", 1.0, pair=True) == [
        "train.optimiser.betas.1: should be less than 1 (it is 1.0)"
    ]
    phases = {"a": {}, "b": {"train": {"optimiser": {"betas": [2, -3]}}}}
    assert mistakes(good(phases=phases)) == [
        "phases.b.train.optimiser.betas.0: should be less than 1 (it is 2)",
        "phases.b.train.optimiser.betas.1: should be greater than or equal to 0 (it is -3)",
    ]
    assert recipe.parse(good(train__optimiser={"betas": [0, 0.5]})).train.optimiser.betas == (0, 0.5)


# As YAML 1.1 has it and nobody who writes it: what it is taken for
SURPRISES = {
    "010": "8",
    "0777": "511",
    "00": "0",
    "1:30": "90",
    "1:30.5": "90.5",
    "1_00": "100",
    "1_0.5": "10.5",
    "0b11": "3",
    "2020-01-01": "a date",
}


@pytest.mark.parametrize("value", SURPRISES)
def test_a_number_that_yaml_takes_for_another_is_refused(write, value):  # noqa: F811
    expected = f"YAML takes {value} for {SURPRISES[value]} (line 1): write it in"
    for key, form in (("windows.length", "{}"), ("data.test", "[{}]"), ("phases", "{{{}: {{}}}}")):
        (line,) = file_mistakes(write("task: one\n"), f"{key}={form.format(value)}")[:1]
        assert line.startswith(f"--set {key}={form.format(value)}: {expected}")
    (line,) = file_mistakes(write(f"task: one\nname: [{value}]\n"))
    assert line.startswith(expected.replace("line 1", "line 2"))
    assert text.plain(f"'{value}'") == value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0", 0),
        ("-5", -5),
        ("1_000_000", 1_000_000),
        ("+5", 5),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("01.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1.0e-3", 1e-3),
        (".inf", float("inf")),
        ("08", "08"),
        ("1:90", "1:90"),
        ("a_1", "a_1"),
    ],
)
def test_other_numbers_and_texts_are_as_they_are_written(written, value):
    assert text.plain(written) == value
