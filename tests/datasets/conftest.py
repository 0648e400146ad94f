"""What the tests of the layouts share."""

from __future__ import annotations

import pytest


@pytest.fixture
def plant(tmp_path):
    """Writes a LAYOUT, or what else is given, into a new folder; recordings hold a word, for only their names matter."""

    def write(*layouts):
        for layout in layouts:
            for path, contents in layout.items():
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path).write_text(contents, newline="")
        return tmp_path

    return write
