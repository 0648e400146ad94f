"""What the user says of a cluster: `--on ray --address … --cluster nets=8 --cluster piece=5`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

from earmark.errors import EarmarkError
from earmark.registry import did_you_mean

KINDS = ("ray",)


@dataclass(frozen=True)
class Machines:
    """address: of a cluster that runs; None: one is started, on this machine, for the while.

    nets: processes that score; default: one for each GPU, or for each core. decoders: processes that decode for them; 0: nets
    decode for themselves; default: 0, but where nets are on GPUs, as many as cores. cores: of the processor, for each net.
    piece: minutes. patience: seconds without any result, after which it is given up. cpus: of the cluster that is started;
    default: those of this machine.
    """

    address: str | None = None
    nets: int | None = None
    decoders: int | None = None
    cores: int = 1
    piece: float = 2.0
    patience: float = 600.0
    cpus: int | None = None

    @staticmethod
    def of(on: str | None, address: str | None, settings: Iterable[str] | None) -> Machines | None:
        """None where nothing but this process is asked for. Raises EarmarkError."""
        settings = list(settings or ())
        if on is None:
            for name, value in (("--address", address), ("--cluster", settings or None)):
                if value is not None:
                    raise EarmarkError(f"{name} is of a cluster: say which kind with --on ray")
            return None
        if on not in KINDS:
            raise EarmarkError(f"--on {on}: no such kind of cluster{did_you_mean(on, KINDS)} Known: {', '.join(KINDS)}")
        return Machines(address, **dict(map(_setting, settings)))  # type: ignore[arg-type]


_KNOWN = {field.name: field for field in fields(Machines) if field.name != "address"}
_MOST = {"piece": 60.0, "patience": 7 * 24 * 3600.0}


def _setting(told: str) -> tuple[str, float]:
    name, _, value = told.partition("=")
    if name not in _KNOWN:
        raise EarmarkError(f"--cluster {told}: no such setting{did_you_mean(name, _KNOWN)} Known: {', '.join(_KNOWN)}")
    try:
        number = float(value) if name in _MOST else int(value)
    except ValueError:
        number = math.nan
    least = 0 if name == "decoders" else 1
    if not (0 < number <= _MOST[name] if name in _MOST else least <= number <= 100_000):
        kind = f"a number above 0, up to {_MOST[name]:g}" if name in _MOST else f"a whole number from {least} to 100000"
        raise EarmarkError(f"--cluster {told}: give {kind}, such as {name}={'2' if name in _MOST else '4'}")
    return name, number
