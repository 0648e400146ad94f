"""What this machine's processor computes in, as its operating system tells."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Processor:
    """name: as it calls itself. flags: of its instructions, in Linux's words; None where the system does not tell."""

    name: str
    flags: frozenset[str] | None

    @property
    def bf16(self) -> bool:
        """Whether it multiplies bfloat16; where nobody tells: no."""
        return bool((self.flags or frozenset()) & {"avx512_bf16", "amx_bf16", "bf16"})

    @property
    def int8(self) -> str:
        """What multiplies int8: amx, vnni, dot (Arm) or none of its own; '' where nobody tells."""
        if self.flags is None:
            return ""
        for flags, name in (({"amx_int8"}, "amx"), ({"avx512_vnni", "avx_vnni"}, "vnni"), ({"asimddp"}, "dot")):
            if self.flags & flags:
                return name
        return "none"


@cache
def here() -> Processor:
    """This machine's."""
    try:
        text = INFO.read_text()
    except OSError:
        return Processor(platform.processor() or platform.machine(), None)
    told = dict(_pair(line) for line in text.splitlines() if ":" in line)
    flags = told.get("flags", told.get("Features"))
    name = told.get("model name", platform.machine())
    return Processor(name, None if flags is None else frozenset(flags.split()))


def _pair(line: str) -> tuple[str, str]:
    key, _, value = line.partition(":")
    return key.strip(), value.strip()
