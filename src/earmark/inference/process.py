"""What a process is told that computes for a command or a training, and for nothing else."""

from __future__ import annotations

from earmark.inference import waiting
from earmark.inference.allocator import keep_freed_memory


def take() -> None:
    """Freed memory is kept, and threads give way where they should. A program that uses the library decides for itself."""
    keep_freed_memory()
    waiting.watch()
