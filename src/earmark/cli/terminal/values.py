"""Words of the command line → values, where nothing can be wrong with them, without building what checks the others.

typer (from 0.25 on) builds a validator of pydantic for each option of a verb, used or not: a fifth of the time that a command of one
clip takes to begin. A word that plainly is what its option wants is taken here; of every other one, and so of all that is
refused, typer itself decides and says what is wrong. An older typer, which builds nothing, is left as it is.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from earmark.cli.terminal.naming import check
from earmark.errors import counted

WHOLE = re.compile(r"0|[1-9][0-9]{0,8}")
POINT = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")
PATHS = (Path, list[Path])
KEYED = ("--set", "--cluster")  # whose words are key=value
UNSURE = object()  # what typer is asked for
CACHE = "_runtime_param"  # where an option of typer keeps what turns words into values
typed: list[str] = []  # the words of the command that runs, its verb first
given: dict[str, str] = {}  # its options, by the names of their parameters, as they are called


class Verb(TyperCommand):
    """A command whose plain words are taken without a validator."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        words = list(args)
        typed[:] = [str(self.name), *words]
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            if hasattr(
                error, "option_name"
            ):  # no such option: the name of a file, perhaps, that a shell put in the place of *
                error.message += of_a_file(words)  # type: ignore[attr-defined]
            tell_value(error)
            raise

    def make_parser(self, ctx: Any) -> Any:
        """One that says where an option which takes one value is given others: the last counts, and the first is not lost unsaid. Of one
        that takes several, a word that is given again says nothing more.
        """
        parser: Any = super().make_parser(ctx)
        parse = parser.parse_args

        def told(args: list[str]) -> Any:
            values, left, order = parse(args=args)
            options = [each for each in order if hasattr(each, "is_flag")]
            given.clear()
            given.update({each.name: each.opts[0] for each in options})
            if self.callback is not None:
                check(self.callback, values, given)
            for option in dict.fromkeys(each for each in options if each.multiple):
                values[option.name] = self._once(option, values[option.name])
            single = [each for each in options if not (each.multiple or each.is_flag or each.count)]
            for option in dict.fromkeys(single):
                if single.count(option) > 1:
                    from earmark.cli.terminal.console import say

                    count, last = single.count(option), values[option.name]
                    say(
                        f"{option.opts[0]} is given {counted(count, 'time')} and takes one value: the last, {last}, counts"
                    )
            return values, left, order

        parser.parse_args = told
        return parser

    def _once(self, option: Any, words: list[str]) -> list[str]:
        """The words of an option that takes several, each once, and what is said of the others. Of settings, key=value, the last of a key
        counts, as their order does; and what a file is that is given again, the verb knows: it may have two names, or count twice.
        """
        called = option.opts[0]
        keys = [word.partition("=")[0] if called in KEYED else word for word in words]
        again = [key for key in dict.fromkeys(keys) if keys.count(key) > 1]
        hint = get_type_hints(self.callback).get(option.name) if again else None
        if not again or list[Path] in (hint, *get_args(hint)):
            return words
        from earmark.cli.terminal.console import say

        for key in again:
            last = words[max(place for place, each in enumerate(keys) if each == key)]
            how = f"the last, {last.partition('=')[2]}, counts" if called in KEYED else "it counts once"
            say(f"{called} {key} is given {counted(keys.count(key), 'time')}: {how}")
        return words if called in KEYED else list(dict.fromkeys(words))

    def get_params(self, *args: Any) -> Any:
        return lightened(super().get_params(*args))


class Verbs(TyperGroup):
    """The same of a group of commands."""

    def get_params(self, *args: Any) -> Any:
        return lightened(super().get_params(*args))


def tell_value(error: Any) -> None:
    """Where typer refuses a word and says only what it should be: which word that was, and the nearest that it may be."""
    wrong = getattr(error.__cause__, "errors", None)  # of pydantic, from which typer takes its sentence
    told = wrong() if callable(wrong) and isinstance(getattr(error, "message", None), str) else []
    if not told or "input" not in told[0]:
        return
    given, near = str(told[0]["input"]), "."
    if (allowed := getattr(getattr(error.param, "type_descriptor", None), "choices", None)) is not None:
        from earmark.registry import did_you_mean

        near = did_you_mean(given, map(str, allowed))
    sentence = error.message.removeprefix("Value error, ").rstrip(".")
    error.message = f"{sentence}{near}" if repr(given) in sentence else f"{sentence}. It is {given!r}{near}"


def without(option: str) -> list[str]:
    """The words of the command that runs, its verb first, but for an option and its value."""
    told, skip = [], False
    for word in typed:
        if not skip and word != option and not word.startswith(f"{option}="):
            told.append(word)
        skip = word == option and not skip
    return told


def of_a_file(words: list[str]) -> str:
    """What a message adds where a word that begins as an option does is the name of a file."""
    named = next((word for word in words if word.startswith("-") and len(word) > 1 and os.path.lexists(word)), None)
    return "" if named is None else f". A file is called {named}: write ./{named}"


def lightened(options: list[Any]) -> list[Any]:
    """Those of a command, its own help among them: each takes plain words by itself."""
    for option in options:
        if getattr(option, CACHE, UNSURE) is None:
            setattr(option, CACHE, Plain(option))
    return options


class Plain:
    """What typer asks for the values of one of its options."""

    def __init__(self, option: Any):
        self.option = option

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value of a word, of several, or of a default; of None what typer makes of it."""
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        if "" in (value if several else (value,)) and param.type_descriptor.annotation in PATHS:
            raise typer.BadParameter(
                "a name is empty, and would stand for this folder: write . for that", ctx=ctx, param=param
            )
        told = param.type_descriptor
        if not (several and isinstance(value, str)) and not told.parameter_info.parser and not ctx.token_normalize_func:
            taken = plain(value, told.annotation, told.parameter_info)
            if taken is not UNSURE:
                return taken
        setattr(self.option, CACHE, None)
        return self.option.get_runtime_param().coerce(value, param=param, ctx=ctx)


def plain(value: Any, wanted: Any, told: Any) -> Any:
    """The value, or UNSURE. wanted: the type of the option; told: what else typer knows of it."""
    if get_origin(wanted) is list:
        if not isinstance(value, list | tuple):
            return UNSURE
        taken = [plain(each, get_args(wanted)[0], told) for each in value]
        return UNSURE if any(each is UNSURE for each in taken) else taken
    if get_origin(wanted) is Literal:
        return value if isinstance(value, str) and value in get_args(wanted) else UNSURE
    if wanted is str:
        return value if isinstance(value, str) else UNSURE
    if wanted in (int, float):
        return _number(value, wanted, told)
    if wanted is Path and isinstance(value, str | Path) and str(value):
        return _path(value, told)
    return UNSURE


def _path(value: str | Path, told: Any) -> Any:
    """Of what is not there, or may be read; where more is asked of it, or it may not, typer tells."""
    asked = told.exists or told.writable or told.resolve_path or not (told.file_okay and told.dir_okay)
    if asked or told.path_type not in (None, Path):
        return UNSURE
    path = Path(value)
    try:
        path.stat()
    except OSError:
        return path
    except ValueError:
        return UNSURE
    return path if os.access(path, os.R_OK) else UNSURE


def _number(value: Any, wanted: type, told: Any) -> Any:
    if isinstance(value, str) and (WHOLE if wanted is int else POINT).fullmatch(value):
        value = wanted(value)
    if type(value) is not wanted or told.clamp:
        return UNSURE
    within = (told.min is None or value >= told.min) and (told.max is None or value <= told.max)
    return value if within else UNSURE
