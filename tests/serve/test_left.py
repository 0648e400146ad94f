"""What a killed service leaves is deleted by the next one; a living one's folder, and what only looks like one, never."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from tests.serve.process import serving

from earmark.files import lock
from earmark.serve import left
from earmark.serve.settings import Settings
from earmark.serve.uploads import Spool

pytest.importorskip("fcntl")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def folders(place: Path) -> list[Path]:
    return sorted(place.glob("earmark-serve-*"))


def dead(place: Path) -> Path:
    """As kill -9 leaves one."""
    folder, handle = left.begin()
    (folder / "tmp1").write_bytes(b"sound")
    os.close(handle)
    return folder


def test_what_a_killed_service_has_left(tone, place):
    with serving(TMPDIR=str(place)) as first:
        told = first.client.post("/v1/recordings", files={"file": ("tone.wav", tone.read_bytes())})
        (held,) = folders(place)
        with serving(TMPDIR=str(place)) as second:
            assert held in folders(place) and len(folders(place)) == 2
            assert first.client.get(f"/v1/recordings/{told.json()['id']}/peaks").status_code == 200
            second.end()
        assert folders(place) == [held]
        first.end(signal.SIGKILL)
    assert folders(place) == [held] and len(list(held.iterdir())) == 2  # the lock, and what was sent
    with serving(TMPDIR=str(place)) as third:
        assert held not in folders(place) and len(folders(place)) == 1
        third.end()
    assert folders(place) == []


def test_only_a_folder_with_a_lock_that_nobody_holds_is_deleted(place):
    gone = dead(place)
    living, handle = left.begin()
    begun = Path(tempfile.mkdtemp(prefix=left.PREFIX))  # and not yet locked
    open_to_all = dead(place)
    open_to_all.chmod(0o755)
    other = dead(place)
    called = other.rename(place / "earmark-serve-my notes")
    aim = shutil.copytree(dead(place), place / "elsewhere")
    link = place / "earmark-serve-linked_1"
    link.symlink_to(aim)
    lock_elsewhere = Path(tempfile.mkdtemp(prefix=left.PREFIX))
    (lock_elsewhere / "lock").symlink_to(aim / "lock")
    left.sweep(place)
    assert not gone.exists()
    for kept in (living, begun, open_to_all, called, aim / "tmp1", link, lock_elsewhere):
        assert kept.exists(), kept
    os.close(handle)
    left.sweep(place)
    assert not living.exists()


def test_a_folder_of_another_user_stays(place, monkeypatch):
    folder = dead(place)
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    left.sweep(place)
    assert folder.exists()


def test_nothing_is_deleted_where_nobody_can_tell_who_lives(place, monkeypatch):
    folder = dead(place)
    monkeypatch.setattr(left, "taken", lambda handle: None)
    left.sweep(place)
    assert folder.exists()
    monkeypatch.undo()
    handles = [os.open(folder / left.LOCK, os.O_RDWR) for _ in range(2)]
    assert [lock.taken(handle) for handle in handles] == [True, False]
    for handle in handles:
        os.close(handle)


def test_a_service_that_ends_leaves_nothing(place):
    spool = Spool(Settings())
    assert folders(place) == [spool.folder]
    spool.close()
    spool.close()
    assert folders(place) == []
