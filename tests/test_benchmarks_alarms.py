"""False alarms of the shipped taggers: what is heard for them, and that cards and files tell the same."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

pytest.importorskip("benchmarks", reason="run from the repository's root, as `python -m pytest`")
from benchmarks import alarms

from earmark.models import loading
from earmark.models.facts import Alarms, Facts
from earmark.models.file import read_head

FOUND = [Alarms("wind", 1, 0.5, {"owl": 3, "fox": 1}), Alarms("rain", 2, 1.5, {})]


def test_clips_are_heard_one_behind_the_other(tmp_path):
    for name, seconds in (("a", 1), ("b", 2)):
        soundfile.write(tmp_path / f"{name}.wav", np.full(seconds * 8000, 0.25), 8000)
    soundfile.write(tmp_path / "c.wav", np.full((16000, 2), 0.5), 16000)
    wave, rate = soundfile.read(alarms.joined(sorted(tmp_path.glob("?.wav")), 8000, tmp_path / "all.wav"))
    assert (len(wave), rate) == (4 * 8000, 8000) and wave[-4000] == pytest.approx(0.5, abs=0.01)


def test_noise_has_the_level_that_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(alarms, "MINUTES", 0.1)
    for file in alarms.noises(8000, -20, tmp_path):
        assert 20 * np.log10(np.sqrt(np.mean(soundfile.read(file)[0] ** 2))) == pytest.approx(-20, abs=0.1)


def test_words_that_are_digits_are_no_false_alarms_of_digits(tmp_path):
    folders = [tmp_path / name for name in ("speech_commands_v0.01_mini", "speech_commands_test_v0.02_mini")]
    for folder in [
        *folders,
        *(
            tmp_path / name
            for name in ("fsdd", "esc10", "fsdkaggle2018_mini", "medley_solos_db_mini", "birdsong_strong")
        ),
    ]:
        for word in ("yes", "nine", "_unknown_", "_silence_"):
            (folder / word).mkdir(parents=True)
            soundfile.write(folder / word / "a.wav", np.zeros(100), 8000)
    told = alarms.foreign(tmp_path)
    words = {
        name: {path.parent.name for kind, paths in kinds.items() if "commands" in kind for path in paths}
        for name, kinds in told.items()
    }
    everyday = {"yes", "nine", "_unknown_"}
    assert words == {"esc10": everyday, "esc10-small": everyday, "digits": {"yes"}}
    assert not any("ESC-10" in kind for name in ("esc10", "esc10-small") for kind in told[name])
    assert not any("FSDD" in kind for kind in told["digits"])
    assert set(told) == set(loading.shipped())


def test_a_card_gets_its_table():
    """By hand: 4 in 2 hours."""
    card = "# owls\n\n## False alarms\n\nWhat they are.\n\n| |\n| --- |\n\nMore.\n\n## Data\n\n| a |\n"
    told = alarms.put(card, FOUND)
    assert "| wind | 0.50 | 4 | 8 (2.2 to 20) | owl 3, fox 1 |\n" in told and "| all together | 2.00 | 4 | 2 (" in told
    assert told.startswith("# owls\n\n## False alarms\n\nWhat they are.\n\n| recordings |") and told.endswith(
        "\n\nMore.\n\n## Data\n\n| a |\n"
    )
    assert alarms.put(told, FOUND) == told
    with pytest.raises(ValueError, match="the card has no '## False alarms'"):
        alarms.put("# owls\n", FOUND)


@pytest.mark.parametrize("name", loading.shipped())
def test_the_cards_tell_what_the_files_tell(name):
    told = Facts.read(read_head(loading.find(name))["facts"]).alarms
    assert told and alarms.table(told) in (alarms.CARDS / f"{name}.md").read_text(encoding="utf-8")
    assert sum(each.hours for each in told) > 1 and all(each.by == "threshold 0.5 for all tags" for each in told)
