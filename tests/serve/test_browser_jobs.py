"""Jobs on the page: what was heard, and how, stands in words where people look for it."""

from __future__ import annotations

from tests.serve.process import serving
from tests.serve.test_browser import READY
from tests.serve.test_browser_line import SAID, heard, put, text

FILES = "[...document.querySelectorAll('#files tbody tr')].map((row) => row.cells[3].textContent + ' ' + row.cells[0].innerText)"


def test_silent_recordings_and_notes_stand_in_the_list(other, doubtful, tmp_path):
    with serving("--recordings", doubtful, "--state", tmp_path / "state") as service:
        heard(service)
        other.open(service.url + "#recordings")
        other.wait(READY)
        other.wait("document.querySelectorAll('#files tbody tr').length === 5")
        other.wait("document.querySelector('#job-told').textContent.startsWith('5 of 5 recordings heard')")
        assert ", 2 silent, 4 with notes." in other.run(text("job-told"))
        rows = {row.split()[1]: row for row in other.run(FILES)}
        assert {name: row.split()[0] for name, row in rows.items()} == {
            "beyond.wav": "heard", "dead.wav": "heard", "good.wav": "heard", "opposite.wav": "silent", "zero.wav": "silent",
        }  # fmt: skip
        assert "times full scale" in rows["beyond.wav"] and "cancel in their mix" in rows["opposite.wav"]
        assert rows["good.wav"].split() == ["heard", "good.wav"]
        for only, wanted in (("silent", 2), ("noted", 4), ("unread", 0), ("", 5)):
            other.run(put("only", only, "change"))
            other.wait(f"document.querySelector('#files-told').textContent.startsWith('{wanted} recordings')")
            other.wait(f"document.querySelectorAll('#files tbody tr').length === {wanted}")
        assert other.run(SAID) == "" and other.console == []
