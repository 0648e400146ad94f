"""What was measured of a tagger: figures on clips that it was tested on, and false alarms on recordings without its sounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from earmark.data.clipset import ClipSet
from earmark.models.plainfacts import Plain, known

if TYPE_CHECKING:
    from earmark.metrics import Interval


OWN_RULES = "its own rules"  # by which events were told, in words


@dataclass(frozen=True)
class Tested:
    """metrics: figures with their intervals by name, plain JSON values, on these clips of this data set."""

    data: str | None
    clips: ClipSet
    metrics: Plain

    @staticmethod
    def read(plain: Plain) -> Tested:
        return Tested(plain.get("data"), ClipSet.read(plain), dict(plain.get("metrics", {})))

    def as_dict(self) -> dict[str, Any]:
        return {"data": self.data, **self.clips.as_dict(), "metrics": dict(self.metrics)}


@dataclass(frozen=True)
class Alarms:
    """Events that were told of recordings in which none of its sounds is heard: each is a false alarm.

    of: which recordings, in words. recordings: how many. hours: of these that were heard; unheard: further ones, which hold nothing that
    can be heard (silence, or below the tagger's floor), and in which no alarm could come; None in files of before, whose
    hours hold these. tags: events of each tag that was told. by: the
    rules, in words. heard: how they were heard where not as the tagger does by itself, such as {"gain": 30.0}; never so in a tagger's file.
    """

    of: str
    recordings: int
    hours: float
    tags: Mapping[str, int] = field(default_factory=dict)
    by: str | None = None
    unheard: float | None = None
    heard: Mapping[str, Any] = field(default_factory=dict)

    def of_own_rules(self) -> bool:
        """Whether the tagger's own rules told them, and not some that stay what they are; files of before do not tell."""
        return self.by is None or self.by == OWN_RULES

    @property
    def events(self) -> int:
        return sum(self.tags.values())

    @property
    def rate(self) -> Interval | None:
        """Events an hour, with the interval of a Poisson count; None where nothing was heard."""
        from earmark.metrics.shares import poisson

        return poisson(self.events, self.hours) if self.hours > 0 else None

    @staticmethod
    def read(plain: Plain) -> Alarms:
        tags = {str(tag): int(count) for tag, count in dict(plain.get("tags", {})).items()}
        by = None if plain.get("by") is None else str(plain["by"])
        hours, unheard = float(plain["hours"]), None if plain.get("unheard") is None else float(plain["unheard"])
        return Alarms(
            str(plain["of"]), int(plain["recordings"]), hours, tags, by, unheard, dict(plain.get("heard", {}))
        )

    def as_dict(self) -> dict[str, Any]:
        """With the rate, for whoever reads the file."""
        rate = None if self.rate is None else {name: round(value, 3) for name, value in self.rate.as_dict().items()}
        told = {"of": self.of, "recordings": self.recordings, "hours": self.hours}
        told |= known({"unheard": self.unheard}) | {"events": self.events, "an hour": rate}
        return told | known({"tags": dict(self.tags), "by": self.by, "heard": dict(self.heard) or None})

    def heard_words(self) -> str:
        """How they were heard, for people.

        >>> Alarms("wind", 1, 1.0, heard={"gain": 30.0, "channels": "each"}).heard_words()
        'gain 30 dB, each channel by itself'
        """
        words = {
            "gain": "gain {:g} dB",
            "floor": "floor {:g} dBFS",
            "channel": "channel {}",
            "channels": "{} channel by itself",
            "merge": "merged by {}",
            "merge by": "by the {}",
        }
        return ", ".join(words.get(name, f"{name} {{}}").format(value) for name, value in self.heard.items())

    def words(self) -> str:
        """For people."""
        rate = self.rate
        more = f", {self.unheard:.2g} h more unheard" if self.unheard else ""
        if rate is None:
            return f"no rate of {self.of}: nothing of it was heard{more}"
        told = f"{number(rate.value)} ({number(rate.low)} to {number(rate.high)}) an hour"
        return f"{told} of {self.of}: {self.events:,} in {self.hours:.2g} h{more}"


def number(value: float) -> str:
    """A rate in as many digits as it bears.

    >>> number(0.0), number(0.376), number(12.34), number(1234.6)
    ('0', '0.38', '12', '1,235')
    """
    return "0" if not value else f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
