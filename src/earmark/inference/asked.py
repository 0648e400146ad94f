"""What is asked of a tagger in Python, whatever is behind it: `tag`, `events`, `score` and `embed` of sounds.

Each takes what `earmark.inference.sounds` takes, and a list of it: then the answer is a list, one for each, in order. What
cannot be read raises; with errors="keep" its `Failure` stands in its place in the list, and the rest goes on. Nothing is changed
by being asked, so that any number of threads may ask one tagger at once.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from earmark.errors import AudioError, EarmarkError
from earmark.errors.kinds import check_call
from earmark.inference.embedding import Embedder, of_recording
from earmark.inference.engine import score as scored
from earmark.inference.recordings import Failure, Recording, Scored
from earmark.inference.scorer import FrameScorer, Scorer
from earmark.inference.sounds import Sound, Sounds, is_list, recordings_of, without_samples
from earmark.registry import did_you_mean
from earmark.scores import Embeddings, Events, Tags, Task
from earmark.scores.reserved import RESERVED
from earmark.windows import Windows

if TYPE_CHECKING:
    from earmark.events import EventRules

log = logging.getLogger("earmark")
LACKED = "rules for events"  # as facts call them
Raise = Literal["raise"]
Keep = Literal["keep"]
Answer = TypeVar("Answer")
Samples = NDArray[np.floating[Any]]


class Answers(Protocol):
    """What every tagger answers. One that is written tomorrow inherits it, and gives what is asked for here below.

    The vocabulary is in the order of scores; the sample rate is in Hz. Of what was stored with a tagger, `facts.rules` are
    those for its events.
    """

    if TYPE_CHECKING:  # properties here would stand in the way of attributes there
        vocabulary: tuple[str, ...]
        facts: Any

        @property
        def sample_rate(self) -> int: ...

        @property
        def task(self) -> Task: ...

        @property
        def windows(self) -> Windows: ...

        @property
        def floor(self) -> float: ...

        def framewise(self) -> FrameScorer | None: ...

        def identity(self) -> str: ...

        def described_windows(self) -> dict[str, Any]: ...

        def score_windows(self, waves: NDArray[np.float32]) -> NDArray[np.float32]:
            """Windows (n, samples) at its sample rate → probabilities (n, tags)."""

    @property
    def reserved(self) -> tuple[str, ...]:
        """Tags that it learnt and never tells, see `earmark.scores.reserved`: those that its file names, else by their names."""
        names = RESERVED if self.facts.reserved is None else self.facts.reserved
        return tuple(tag for tag in self.vocabulary if tag in names)

    @overload
    def tag(
        self, sound: Sound, top: int | None = 3, *, sample_rate: float | None = None, salvage: bool = False, floor: float | None = None,
        gain: float = 0.0, batch: int | None = None, workers: int = 2,
    ) -> Tags: ...  # fmt: skip

    @overload
    def tag(
        self, sound: Sounds, top: int | None = 3, *, sample_rate: float | None = None, salvage: bool = False, floor: float | None = None,
        gain: float = 0.0, errors: Raise = "raise", batch: int | None = None, workers: int = 2,
    ) -> list[Tags]: ...  # fmt: skip

    @overload
    def tag(
        self, sound: Sounds, top: int | None = 3, *, sample_rate: float | None = None, salvage: bool = False, floor: float | None = None,
        gain: float = 0.0, errors: Keep, batch: int | None = None, workers: int = 2,
    ) -> list[Tags | Failure]: ...  # fmt: skip

    def tag(self, sound: Any, top: int | None = 3, **options: Any) -> Any:
        """The `top` tags of a recording of any length (None: all), the most likely first; none of a silent one.

        `reserved` tags are never among them, and where a clip has one tag and a reserved one is the most likely, none is told.
        floor: dBFS, below which windows hold nothing; default: the tagger's own. gain: dB by which the sound is made louder first.

        sound: a path, the bytes of a file, a file object, an array with its sample_rate (Hz), or a list of these. salvage: use
        what can be read of a damaged one. errors: "keep" puts the `Failure` of what cannot be read into the list; else it
        raises. batch: windows that are heard at once; workers: threads that decode. Raises AudioError, EarmarkError.
        """
        check_options("tag", options)
        if top is not None and (isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1):
            raise EarmarkError(f"top={top!r}: give how many tags are wanted, from 1, or None for all")
        return _asked(
            self,
            sound,
            lambda heard: Tags(heard.tags(self.vocabulary, top, self.reserved, self.task), heard.about),
            **options,
        )

    @overload
    def events(
        self, sound: Sound, rules: EventRules | float | None = None, *, sample_rate: float | None = None,
        salvage: bool = False, floor: float | None = None,
        gain: float = 0.0, batch: int | None = None, workers: int = 2,
    ) -> Events: ...  # fmt: skip

    @overload
    def events(
        self, sound: Sounds, rules: EventRules | float | None = None, *, sample_rate: float | None = None,
        salvage: bool = False, floor: float | None = None, gain: float = 0.0,
        errors: Raise = "raise", batch: int | None = None, workers: int = 2,
    ) -> list[Events]: ...  # fmt: skip

    @overload
    def events(
        self, sound: Sounds, rules: EventRules | float | None = None, *, sample_rate: float | None = None,
        salvage: bool = False, floor: float | None = None, gain: float = 0.0,
        errors: Keep, batch: int | None = None, workers: int = 2,
    ) -> list[Events | Failure]: ...  # fmt: skip

    def events(self, sound: Any, rules: EventRules | float | None = None, **options: Any) -> Any:
        """When each thing is heard in a recording of any length, by onset, in frames or, where it has none, in windows.

        rules: or a number, the threshold of all tags; default: those that were chosen for it, or 0.5 for all. The rest: see
        `tag`. Raises ScoresError too, for rules that do not fit, and TaggerError for several that hear different windows.
        """
        from earmark.events import EventRules
        from earmark.inference.detection import listen

        check_options("events", options)
        if rules is None:
            told = rules_of(self)
        elif isinstance(rules, int | float | np.number) and not isinstance(rules, bool):
            told = EventRules.alike(self.vocabulary, float(rules))
        elif isinstance(rules, EventRules):
            told = rules
        else:
            raise EarmarkError(
                f"rules are a {type(rules).__name__}: give earmark.events.EventRules, or a number, the threshold of all tags"
            )

        def run(recordings: Sequence[Recording], **how: Any) -> Iterator[tuple[Scored | Failure, Any]]:
            with closing(listen(self, self.framewise(), recordings, told, **how)) as results:
                yield from results

        return _answers(sound, run, lambda heard, found: Events(found, heard.about), **options)

    @overload
    def score(self, waves: Samples, /) -> NDArray[np.float32]: ...  # type: ignore[overload-overlap]

    @overload
    def score(
        self, sound: Sound, *, sample_rate: float | None = None, salvage: bool = False, floor: float | None = None, windows: bool = False,
        gain: float = 0.0, batch: int | None = None, workers: int = 2,
    ) -> Scored: ...  # fmt: skip

    @overload
    def score(
        self, sound: Sounds, *, sample_rate: float | None = None, salvage: bool = False, floor: float | None = None, windows: bool = False,
        gain: float = 0.0, errors: Raise = "raise", batch: int | None = None, workers: int = 2,
    ) -> list[Scored]: ...  # fmt: skip

    @overload
    def score(
        self, sound: Sounds, *, sample_rate: float | None = None, salvage: bool = False, floor: float | None = None, windows: bool = False,
        gain: float = 0.0, errors: Keep, batch: int | None = None, workers: int = 2,
    ) -> list[Scored | Failure]: ...  # fmt: skip

    def score(self, sound: Any, *, windows: bool = False, **options: Any) -> Any:
        """The scores of all tags: of a recording, as `tag` takes it; or of windows, an array (n, samples) without sample_rate.

        Such windows are as long as the tagger's and at its sample rate, and the answer is (n, tags), as `score_windows` gives it.
        windows: keep the scores of a recording's windows too.
        """
        check_options("score", options)
        if not isinstance(windows, bool):
            raise EarmarkError(f"score: windows={windows!r}: give True, to keep the scores of windows too, or False")
        if isinstance(sound, np.ndarray) and options.get("sample_rate") is None:
            if sound.ndim == 1:
                raise EarmarkError(
                    f"samples have the shape {sound.shape}: give (windows, samples), or a recording with its sample_rate="
                )
            if idle := [name for name in options if name != "sample_rate"] + ["windows"] * windows:
                raise EarmarkError(
                    f"score: {idle[0]} is of recordings, and an array without sample_rate= is taken for windows, which are scored as "
                    f"they are: give a recording with its sample_rate=, or leave {idle[0]} out"
                )
            if sound.ndim == 2:  # other shapes are told with their samples
                self.windows.check_whole(sound.shape[1], self.sample_rate)
            return self.score_windows(sound)
        return _asked(
            self,
            sound,
            lambda heard: replace(heard, recording=without_samples(heard.recording)),
            **options,
            keep_windows=windows,
        )

    @overload
    def embed(
        self, sound: Sound, *, sample_rate: float | None = None, salvage: bool = False,
        gain: float = 0.0, batch: int | None = None, workers: int = 2,
    ) -> Embeddings: ...  # fmt: skip

    @overload
    def embed(
        self, sound: Sounds, *, sample_rate: float | None = None, salvage: bool = False,
        gain: float = 0.0, errors: Raise = "raise", batch: int | None = None, workers: int = 2,
    ) -> list[Embeddings]: ...  # fmt: skip

    @overload
    def embed(
        self, sound: Sounds, *, sample_rate: float | None = None, salvage: bool = False,
        gain: float = 0.0, errors: Keep, batch: int | None = None, workers: int = 2,
    ) -> list[Embeddings | Failure]: ...  # fmt: skip

    def embed(self, sound: Any, **options: Any) -> Any:
        """What the net makes of each window before it names tags: a vector a window, of silence too. See `tag` and `Embeddings`.

        Raises TaggerError where several answer together.
        """
        check_options("embed", options)
        facts = self.embedding_facts(options.get("gain", 0.0))
        told = {"keep_windows": True, "hear_silence": True}

        def answer(heard: Scored) -> Embeddings:
            for note in heard.notes:  # which vectors do not tell: to the log, as `earmark.audio.load` tells them
                log.warning(note)
            return of_recording(heard, facts)

        return _asked(self.embedder(), sound, answer, **options, **told)

    def embedder(self) -> Scorer:
        """What scores windows by their embeddings, for `earmark.inference.score`. Raises TaggerError of several."""
        told: Any = self
        return Embedder(told)

    def embedding_facts(self, gain: float = 0.0) -> dict[str, Any]:
        """What a file of embeddings tells of where they come from. gain: dB by which the sound was made louder first."""
        told = {"tagger": self.identity(), "sample_rate": self.sample_rate, "windows": self.described_windows()}
        return {**told, "gain": gain} if gain else told


def rules_of(tagger: Answers) -> EventRules:
    """Those stored with a tagger for its events, or 0.5 for all of its tags."""
    from earmark.events import EventRules

    if LACKED in getattr(tagger.facts, "lacking", ()):
        _say_lacked(tagger.identity())
    rules: EventRules = tagger.facts.rules or EventRules.alike(tagger.vocabulary)
    return rules


@cache
def _say_lacked(identity: str) -> None:
    """Once for each tagger."""
    log.warning(
        "the tagger %s hears in other windows than those in which its rules for events were chosen: events are told by 0.5 for all "
        "tags. Give a threshold, or save it and calibrate it in these windows",
        identity,
    )


def _options(
    *, sample_rate: Any = None, salvage: bool = False, floor: float | None = None, errors: Any = "raise", batch: int | None = None,
    workers: int | None = None, gain: float = 0.0,
) -> None:  # fmt: skip
    """What may be told beside a sound and what is asked; of `sample_rate` and `errors` those who take them say what is wrong."""


def check_options(question: str, given: Mapping[str, Any]) -> None:
    """Raises EarmarkError for an option that there is none of, and for a value of another kind than an option's."""
    known = inspect.signature(_options).parameters
    for name in given:
        if name not in known:
            near = did_you_mean(name, known)
            raise EarmarkError(f"{question}: there is no option {name!r}{near} There are {', '.join(known)}")
    check_call(_options, (), given, question)


def _asked(scorer: Any, sound: Any, answer: Callable[[Scored], Answer], **options: Any) -> Any:
    def run(recordings: Sequence[Recording], **how: Any) -> Iterator[tuple[Scored | Failure, Any]]:
        with closing(scored(scorer, recordings, **how)) as results:
            yield from ((result, None) for result in results)

    return _answers(sound, run, lambda heard, _: answer(heard), **options)


def _answers(
    sound: Any,
    run: Callable[..., Iterator[tuple[Scored | Failure, Any]]],
    answer: Callable[[Scored, Any], Any],
    *,
    sample_rate: float | None = None,
    errors: str = "raise",
    workers: int | None = None,
    **options: Any,
) -> Any:
    """What `run` makes of recordings → the answer, or a list of them."""
    if errors not in ("raise", "keep"):
        raise EarmarkError(f"errors={errors!r}: give 'raise', or 'keep' for a list that goes on without what fails")
    several = is_list(sound)
    if errors == "keep" and not several:
        raise EarmarkError("errors='keep' is for a list, in which a Failure can stand: give a list, or leave it out")
    given = recordings_of(sound, sample_rate)
    bad = {n: each for n, each in enumerate(given) if isinstance(each, AudioError)}
    if bad and errors == "raise":
        raise next(iter(bad.values()))
    recordings = [each for each in given if isinstance(each, Recording)]
    made: list[Any] = []
    workers = min(2, len(recordings)) or 1 if workers is None else workers
    with closing(run(recordings, workers=workers, **options)) as results:  # type: ignore[type-var]
        for result, more in results:
            if isinstance(result, Failure):
                if errors == "raise":
                    raise result.error
                made.append(Failure(without_samples(result.recording), result.error))
            else:
                made.append(answer(result, more))
    rest = iter(made)
    found = [
        Failure(Recording(Path(bad[number].path)), bad[number]) if number in bad else next(rest)
        for number in range(len(given))
    ]
    return found if several else found[0]
