"""Jobs on the page: what was heard, and how, stands in words where people look for it."""

from __future__ import annotations

import soundfile
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


def test_a_damaged_recording_is_heard_from_the_page(other, place, tmp_path, clips):
    """In a job, and where it is shown alone; the way there is said."""
    wave, rate = soundfile.read(clips[0], dtype="float32")
    soundfile.write(place / "cut.wav", wave, rate, subtype="PCM_16")
    whole = (place / "cut.wav").read_bytes()
    (place / "cut.wav").write_bytes(whole[: len(whole) // 2])
    state = "(name) => [...document.querySelectorAll('#files tbody tr')].find((row) => row.innerText.startsWith(name))"
    row = f"({state})('cut.wav')"
    with serving("--recordings", place, "--state", tmp_path / "state") as service:
        other.open(service.url + "#recordings")
        other.wait(READY)
        other.wait("document.querySelectorAll('#files tbody tr').length > 0")
        other.run("document.querySelector('#begin').click()")
        other.wait(
            "document.querySelector('#begin').textContent === 'Hear what is new' && !document.querySelector('#begin').disabled"
        )
        other.wait(f"{row}.cells[3].textContent === 'cannot be read'")
        assert "let them be heard with “Use what can be read of damaged recordings”, above" in other.run(
            f"{row}.innerText"
        )
        for script, told in (
            ("document.querySelector('#salvage').click()", "Hear them all"),
            ("document.querySelector('#salvage').click()", "Hear what is new"), (put("gain", 6), "Hear them all"),
            ("document.querySelector('#salvage').click()", "Hear them all"),
        ):  # fmt: skip
            other.run(script)
            assert other.run(text("begin")) == told, script
        other.run("document.querySelector('#begin').click()")
        other.wait(f"{row}.cells[3].textContent === 'heard'")
        other.wait("!document.querySelector('#begin').disabled")
        assert "is cut off" in other.run(f"{row}.innerText") and other.run(text("begin")) == "Hear what is new"
        jobs = service.client.get("/v1/jobs").json()["jobs"]
        assert [(job["gain"], job["salvage"]) for job in jobs] == [(6.0, True), (0.0, False)]
        labels = other.run("[...document.querySelectorAll('#job option')].map((each) => each.textContent)")
        assert labels[0].startswith("esc10, threshold 0.5, +6 dB, damaged ones too ·"), labels
        other.run(put("job", "1", "change"))  # another job shows how it was heard
        other.wait(f"{row}.cells[3].textContent === 'cannot be read'")
        assert other.run("[document.querySelector('#gain').value, document.querySelector('#salvage').checked]") == [
            "0",
            False,
        ]
        listed = service.client.get("/v1/recordings", params={"name": "cut"}).json()["recordings"]
        other.run(f"location.hash = 'listen/{listed[0]['id']}'")
        other.wait("!document.querySelector('#damaged').hidden")
        assert other.run(SAID).endswith(
            "to work with the part that is there, press “Use what can be read of it”, below"
        )
        other.run("document.querySelector('#salvage-this').click()")
        other.wait("document.querySelector('#events-told').textContent.length > 0")
        assert other.run("document.querySelector('#damaged').hidden") and "cut off" in other.run(SAID)
        assert "salvage=true" in other.run("document.querySelector('#as-csv').href")
        other.console.clear()  # the browser itself tells of each answer 422
