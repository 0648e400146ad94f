"""What the service tells in JSON beside the answers that the commands tell too (`earmark.inference.shapes`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from earmark.files.texts import control
from earmark.inference.shapes import Counted, Output, Seconds, Start


def _plain(text: str) -> str:
    """Without blanks around it. Raises PydanticCustomError for what is more than one line of text."""
    if (sign := control(text.strip())) is not None:
        raise PydanticCustomError(
            "control",
            "holds a control character ({sign}), which files of events and tables cannot tell: leave it out",
            {"sign": sign},
        )
    return text.strip()


Plain = Annotated[str, AfterValidator(_plain)]  # of every text that is kept


class Problem(Output):
    """Why a request is refused: what is wrong, the limit, and the way out."""

    error: str


class OneTagger(Output):
    """A tagger that can be asked. calibrated: whether thresholds or rules were chosen for it."""

    name: str
    identity: Annotated[str, Field(description="Changes with anything of the tagger that changes a score.")]
    engine: Annotated[
        str, Field(description="What computes its scores, whose last digits are its own, and in which precision.")
    ]
    sample_rate: Annotated[int, Field(description="Hz.")]
    task: Literal["one", "many"]
    tags: list[str]
    windows: dict[str, Any]
    frames: Annotated[bool, Field(description="Whether events are found in frames, finer than windows.")]
    thresholds: Annotated[dict[str, float], Field(description="Of events, by tag.")]
    calibrated: Annotated[bool, Field(description="Whether rules for events were chosen on validation clips.")]


class Limits(Output):
    bytes: Annotated[int, Field(description="Of a recording that is sent.")]
    seconds: Annotated[float, Field(description="Of sound in it.")]


class Taggers(Output):
    """folder: whether there are recordings to choose from."""

    taggers: list[OneTagger]
    limits: Limits
    folder: bool
    version: Annotated[str, Field(description="Of earmark.")]


class Health(Output):
    status: Literal["ok"]


class Session(Output):
    token: Annotated[str, Field(max_length=1000)]


class Vector(Output):
    id: str
    start: Start
    end: Start
    vector: list[float]


class EmbeddingsOfRecording(Output):
    """The embeddings of a recording's windows; see `earmark.Embeddings.to_dict`."""

    width: Counted
    facts: dict[str, Any]
    rows: list[Vector]


class Ready(Output):
    """taken: requests that are worked on or wait; room: how many there may be. told: what fails, where the service does."""

    status: Literal["ok", "busy", "failing"]
    taken: Counted
    room: Counted
    told: str | None


class RecordingFacts(Output):
    """A recording that can be listened to. held: it was sent, and is forgotten when nobody asks for it any more."""

    id: str
    name: str
    seconds: Seconds
    sample_rate: Annotated[int, Field(description="Hz, of the file; it is drawn and played at it.")]
    channels: int
    codec: str
    container: str
    held: bool


class Peaks(Output):
    """low, high: of each of equal stretches from start to end, full scale ±127."""

    start: Start
    end: Start
    low: list[int]
    high: list[int]


class ScoredTag(Output):
    """A tag over time. score: of the whole recording. values: at each of the times."""

    label: str
    score: Annotated[float, Field(ge=0, le=1)]
    threshold: Annotated[float, Field(description="Above which an event of it is told.")]
    values: list[float]


class ScoresOverTime(Output):
    """times: middles of the windows or frames, or of several of them where there are more than asked for (the highest counts)."""

    tagger: str
    seconds: Seconds
    silent: bool
    notes: list[str]
    times: list[float]
    tags: Annotated[list[ScoredTag], Field(description="The tag that is heard surest somewhere comes first.")]


class OneRecording(Output):
    """A recording of the folder, and what the job made of it. state: waits, heard or unread. silent: whether there is nothing to be
    heard in it; notes: what was done to its sound, and what makes scores of little worth. Both null where it was not heard, or by an
    earmark of before, which kept neither.
    """

    id: str
    name: str
    state: Literal["waits", "heard", "unread"]
    seconds: float | None
    events: Counted
    error: str | None
    silent: bool | None
    notes: list[str] | None


class Folder(Output):
    """total: how many fit the question; recordings: some of them."""

    total: Counted
    recordings: list[OneRecording]
    passed_over: str | None


class JobAsked(Output):
    """Hear the whole folder. What is not told is the tagger's own. gain: dB by which sound is made louder first; salvage: use what can
    be read of damaged recordings; retry: try again, too, what could not be read.
    """

    tagger: str | None = None
    threshold: Annotated[float | None, Field(gt=0, le=1)] = None
    median: Annotated[float | None, Field(ge=0, le=1e6)] = None
    gap: Annotated[float | None, Field(ge=0, le=1e6)] = None
    shortest: Annotated[float | None, Field(ge=0, le=1e6)] = None
    low: Annotated[float | None, Field(gt=0, le=1)] = None
    gain: Annotated[float, Field(ge=-200, le=200)] = 0.0
    salvage: bool = False
    retry: bool = False


class OneJob(Output):
    """state: running, stopped, done, or failed and why. done, unread: recordings; silent, noted: of those heard the ones in which there
    is nothing to be heard, and the ones with notes, as /v1/recordings tells them; seconds: of sound heard. candidates: what was
    not sure enough to be an event, from half of the thresholds on. gone: recordings that were heard and are not in the folder any
    more, or are others by now: what was found in them is kept, and counts again where they are there again.
    """

    id: int
    tagger: str
    served: Annotated[str | None, Field(description="The name by which the tagger of this job is asked now, or null.")]
    engine: Annotated[
        str | None, Field(description="What computes its scores; null of a job of before: any in float32.")
    ]
    goes_on: Annotated[
        bool, Field(description="Whether it can go on: its tagger is served, in the same engine and precision.")
    ]
    usual: Annotated[
        bool, Field(description="Whether its rules are those that its tagger has, as one without others has them.")
    ]
    state: str
    begun: str
    total: Counted
    done: Counted
    unread: Counted
    silent: Counted
    noted: Counted
    gone: Counted
    seconds: Seconds
    events: Counted
    candidates: Counted
    rules: dict[str, Any]
    gain: Annotated[float, Field(description="dB by which sound was made louder first.")]
    salvage: Annotated[bool, Field(description="Whether what can be read of damaged recordings was heard.")]


class AllJobs(Output):
    jobs: list[OneJob]


class CountsOfTag(Output):
    tag: str
    counts: list[Counted]
    all: Counted


class CountsByHour(Output):
    """by: clock, where names tell when recordings began, else hour: since its recording began. rows: most events first; their
    counts are of the hours, `all` counts those whose recordings tell no time too.
    """

    by: Literal["clock", "hour"]
    hours: list[int]
    rows: list[CountsOfTag]


class FoundEvent(Output):
    id: int
    recording: Annotated[str, Field(description="Its id.")]
    name: str
    onset: Start
    offset: Start
    tag: str
    score: float
    below: Annotated[bool, Field(description="Whether it is a candidate: its score lies under the threshold.")]


class FoundEvents(Output):
    total: Counted
    events: list[FoundEvent]


class NextEvent(Output):
    """event: the next to be judged, or null. drawn: why it is that one. left: events without an answer."""

    event: FoundEvent | None
    drawn: Literal["surest", "doubtful", "random"] | None
    left: Counted


class Said(Output):
    """An answer to an event. other: the tag that it is, where the answer is `other`. onset, offset: where it begins and ends in
    truth, in seconds from the start of the recording, where its edges were moved.
    """

    event: Annotated[int, Field(ge=0, le=2**53)]
    answer: Literal["right", "wrong", "other", "unsure"]
    other: Annotated[Plain, Field(max_length=255)] = ""
    drawn: Literal["surest", "doubtful", "random", "chosen"] = "chosen"
    onset: Annotated[float | None, Field(ge=0, le=1e9)] = None
    offset: Annotated[float | None, Field(gt=0, le=1e9)] = None


class Kept(Output):
    """An answer that is on the disk."""

    id: int


class TakenBack(Output):
    """The event whose answer counts no more, or null; how it was drawn; and where its edges had been moved to, if they were."""

    event: FoundEvent | None
    drawn: Literal["surest", "doubtful", "random", "chosen"] | None
    onset: float | None
    offset: float | None


class Precision(Output):
    """asked: answers; judged: of them right or wrong; sample: of these drawn by chance, which stand for all that nobody chose.
    precision: of all events, and its 95 % interval; null where of some nobody knows anything, such as those of a tag without an answer:
    low and high are then the least and the most that it can be; null before the first answer. candidates: answers to what was not
    sure enough, and missed: of them right, whatever edges or tag they have in truth. gone: answers that count no more, because their
    recordings are not in the folder any more or are others by now; they are kept, and count again where these are there again.
    """

    asked: Counted
    right: Counted
    judged: Counted
    sample: Counted
    precision: float | None
    low: float | None
    high: float | None
    candidates: Counted
    missed: Counted
    gone: Counted


class Cause(Output):
    """What in a part of a recording caused a tag. by: what tells it. edges: seconds, one more than values, which are scores, or of
    attention weights times the window's score, where a weight of 1 is that of a moment that counts as all others do.
    """

    tag: str
    by: Literal["attention", "frames", "windows"]
    edges: list[float]
    values: list[Annotated[float, Field(ge=0)]]


class Example(Output):
    """A sound of a tag to compare with. source: a clip that the tagger may have learnt from, or an answer of a review."""

    recording: Annotated[str, Field(description="Its id.")]
    name: str
    onset: Start
    offset: Start
    source: Literal["clip", "review"]


class Examples(Output):
    examples: list[Example]
    clips: Annotated[bool, Field(description="Whether the service was given clips to choose from.")]


class TrainingAsked(Output):
    """tagger: the name of the one to be trained again; default: the first."""

    tagger: Annotated[str | None, Field(max_length=255)] = None


class Step(Output):
    """A piece of work, in words, and how far it is."""

    what: str
    done: Counted
    total: Counted


class ChangedTag(Output):
    """Of a tag: events that both taggers were judged on and the new one had not learnt from; before, after: how many each decided
    rightly; gained, lost: that only the new one, or only the old one, did; difference: of the shares that are right, new less old,
    with its 95 % interval.
    """

    tag: str
    events: Counted
    before: Counted
    after: Counted
    gained: Counted
    lost: Counted
    difference: float
    low: float
    high: float


class OneTraining(Output):
    """state: preparing, running, stopped, done, taken, rejected, failed and why, or taken, but not served, and why. answers: that it
    learns from. said: sentences to be read.
    """

    id: int
    tagger: str
    state: str
    begun: str
    answers: Counted
    progress: Step | None
    said: list[str]
    changed: list[ChangedTag] | None


class TrainingsTold(Output):
    """lacks: why none can be begun here, or null. answers: by tagger, how many there are to learn from; gone: how many there are
    beside these to recordings that are not in the folder any more, or are others by now.
    """

    lacks: str | None
    answers: dict[str, Counted]
    gone: dict[str, Counted]
    trainings: list[OneTraining]
