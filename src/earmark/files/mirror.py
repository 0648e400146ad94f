"""A job whose folder is in an object store: worked on in a folder of this machine, and put into the store piece by piece.

    URI/job.json               what the job is, how many recordings were left after the first `seen` parts, who is at work on it and when
                               that was told; a minute old at most
    URI/parts/3-AB12CD34.jsonl what became of some recordings, as a journal of its own: see `earmark.files.journal`
    URI/parts/3-AB12CD34.tar   their results, as results/NAME, and what else the job keeps of them; it is there before the .jsonl is
    URI/results/…              at the end, of forms that have a file a recording; the others have one file of all in URI/
    URI/shards/3-of-50/…       the same of a shard

A part is put once and never changed, under a name that nobody else gives; so what is in the store is right whatever is killed, and
two commands that work on one job at once do some work twice and nothing else. The second is refused while the first is heard of.
Opened on a machine, a job brings in the parts that this one does not know, its shards' too; so it goes on from what the
store has. Parts come each minute at first, later after a fiftieth of the time that was spent: what a lost machine had not put
yet is done again. Where the store takes nothing for a while the work goes on, and all is put later.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import secrets
import shutil
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError
from earmark.files import journal, putting, remembered
from earmark.files.journal import KEPT, LISTED, NAME, RESULTS, SHARDS
from earmark.files.lock import lock
from earmark.files.stores import Stored, place
from earmark.files.whole import shortened, write_text

HEAD = "job.json"
PARTS = "parts"
STATE, FETCHED, LOCK = "mirror.json", "fetched", "mirror.lock"
EVERY = 60.0  # s
SHARE = 50
LOST = 180.0  # s without a word, after which a process is taken for gone
FORMAT = 1

_open: dict[Path, Mirror] = {}  # of this process, by their folders


class Mirror:
    """The folder of this machine for a job in a store. report: told what the store does not take, as it comes.

    fetched: folders like jobs' with what this machine had not known. Raises EarmarkError while another process works on the job.
    """

    def __init__(self, uri: Stored, report: Callable[[str], None]):
        self.uri, self.report = uri, report
        self.folder = working(uri)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / NAME).touch()  # first, so that the folder is known for a job's
        self._lock = (self.folder / LOCK).open("a+b")
        try:
            lock(self._lock.fileno(), uri, "job")
            self._state = self._read_state()
            self.fetched = self._fetch()
        except BaseException:
            self._lock.close()
            raise
        self._token = secrets.token_hex(4)
        self._begun = self._last = time.monotonic()
        self._stop, self._putting = threading.Event(), threading.Lock()
        self._thread: threading.Thread | None = None
        self._failing = False

    def begin(self) -> None:
        """What was fetched is in the journal now: from here on the work is put as it comes."""
        self._push(until=self._before)
        self._state |= {"journal": _end(self.folder / NAME), "kept": _end(self.folder / KEPT)}
        self._state["seen"] = sorted({*self._state["seen"], *self._new})
        self._seen = len(self._state["seen"])
        (self.folder / LISTED).unlink(missing_ok=True)  # of a run before, after which other parts came
        self._write_state()
        shutil.rmtree(self.folder / FETCHED, ignore_errors=True)
        self._tell(at_work=True)
        self._thread = threading.Thread(target=self._run, daemon=True, name="earmark-mirror")
        self._thread.start()

    def finish(self, file: Path | None) -> Stored:
        """Put what is left, and the file of all, or else the results one by one; where that is. Raises OSError."""
        with self._putting:
            self._push()
            if file is not None:
                putting.put(file, self._at(file.name))
                return self._at(file.name)
            path = self.folder / NAME
            lines = _lines(path, self._state["published"], _end(path))
            names = sorted({line["result"] for line in lines if line.get("result") is not None})
            putting.put_all((self.folder / RESULTS / name, self._at(RESULTS, name)) for name in names)
            self._state["published"] = _end(path)
            self._write_state()
            return self._at(RESULTS)

    def close(self) -> None:
        """Put what is left, as far as the store takes it, and say that nobody works on it any more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            with self._told():
                self._push()
                self._tell(at_work=False)
        _open.pop(self.folder, None)
        self._lock.close()

    def _at(self, *names: str) -> Stored:
        return Stored("/".join([str(self.uri), *names]))

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            with self._told(), self._putting:
                if time.monotonic() - self._last >= (time.monotonic() - self._begun) / SHARE:
                    self._push()
                    self._last = time.monotonic()
                self._tell(at_work=True)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What a store does not take now is put later; that is said once, until it does again."""
        try:
            yield
            self._failing = False
        except OSError as error:
            if not self._failing:
                self.report(
                    f"{error.filename}: {error.strerror}. The work goes on in {self.folder}, and the same command puts it there"
                )
            self._failing = True

    def _push(self, until: Mapping[str, int] | None = None) -> None:
        """Put a part of what came since the last. until: bytes of the logs. Raises OSError."""
        log, kept = self.folder / NAME, self.folder / KEPT
        # what is kept of a recording is written before its line in the journal
        ends = until or {"journal": _end(log), "kept": _end(kept)}
        first = max(self._state["journal"], _head(log))
        if ends["journal"] > first:
            lines = _bytes(log, first, ends["journal"])
            names = [json.loads(line).get("result") for line in lines.splitlines()]
            number = len(self._state["seen"]) + 1
            name = f"{number:06}-{secrets.token_hex(4)}"
            tar = self.folder / f"{name}.tar"
            with tarfile.open(tar, "w") as file:
                for result in dict.fromkeys(name for name in names if name is not None):
                    with contextlib.suppress(FileNotFoundError):
                        file.add(self.folder / RESULTS / result, f"{RESULTS}/{result}", recursive=False)
                if ends["kept"] > self._state["kept"]:
                    _add(file, KEPT, _bytes(kept, self._state["kept"], ends["kept"]))
            try:
                putting.put(tar, self._at(PARTS, tar.name))
                putting.put_bytes(_bytes(log, 0, _head(log)) + lines, self._at(PARTS, f"{name}.jsonl"))
            finally:
                tar.unlink(missing_ok=True)
            self._state["seen"].append(f"{self.uri}/{PARTS}/{name}")
        self._state |= ends
        self._write_state()

    def _tell(self, at_work: bool) -> None:
        told: dict[str, Any] = {"job": FORMAT, "owner": self._state["owner"], "machine": socket.gethostname()}
        with contextlib.suppress(OSError, ValueError):
            told |= json.loads((self.folder / LISTED).read_text()) | {"seen": self._seen}
        told |= {"at": time.time(), "at_work": at_work, "folder": str(self.folder)}
        told |= {"begun": json.loads(_bytes(self.folder / NAME, 0, _head(self.folder / NAME)) or b"null")}
        putting.put_bytes(json.dumps(told, indent=1).encode() + b"\n", self._at(HEAD))

    def _fetch(self) -> dict[Path, Path]:
        """The parts that are not known here. Raises EarmarkError, also for what the store does not give."""
        try:
            self._check_alone()
            parts = [part for job in [self.uri, *shards(self.uri)] for part in parts_of(job)]
            if not any(str(part).startswith(f"{self.uri}/{PARTS}/") for part in parts):
                self._state |= {"journal": 0, "kept": 0, "published": 0}  # new, or somebody took it away
            self._before = {"journal": _end(self.folder / NAME), "kept": _end(self.folder / KEPT)}
            self._new = [str(part) for part in parts if str(part) not in self._state["seen"]]
            shutil.rmtree(self.folder / FETCHED, ignore_errors=True)
            return {self._bring(n, part): self.uri for n, part in enumerate(self._new)}
        except OSError as error:
            raise EarmarkError(
                f"--job {self.uri}: what is done of it cannot be brought here ({error.strerror}). Correct the store's name or "
                "AWS_ENDPOINT_URL, or run the same command again once it answers"
            ) from error

    def _bring(self, number: int, part: str) -> Path:
        folder = self.folder / FETCHED / str(number)
        folder.mkdir(parents=True)
        putting.fetch(Stored(f"{part}.jsonl"), folder / NAME)
        putting.fetch(Stored(f"{part}.tar"), folder / "part.tar")
        try:
            with tarfile.open(folder / "part.tar") as file:
                file.extractall(folder, filter="data")
        except (tarfile.TarError, EOFError) as error:  # what came out of it is held against its lines
            self.report(f"{part}.tar: is damaged ({error}). What is missing from it is done again")
        (folder / "part.tar").unlink()
        (folder / RESULTS).mkdir(exist_ok=True)
        if (folder / KEPT).is_file():
            with (self.folder / KEPT).open("ab") as kept:
                kept.write((folder / KEPT).read_bytes())
        return folder

    def _check_alone(self) -> None:
        """Raises EarmarkError while another machine's process is at work on it, as far as it has told."""
        if (told := told_of(self.uri)) is None or not alive(told) or told["owner"] == self._state["owner"]:
            return
        raise EarmarkError(
            f"--job {self.uri}: a process on {told['machine']} is at work on it, or was {time.time() - told['at']:.0f} s ago. Wait for "
            f"it, or stop it: {LOST:g} s after its last word the same command goes on here"
        )

    def _read_state(self) -> dict[str, Any]:
        state = {"owner": secrets.token_hex(8), "journal": 0, "kept": 0, "published": 0, "seen": []}
        with contextlib.suppress(OSError, ValueError):
            state |= json.loads((self.folder / STATE).read_text())
        return state

    def _write_state(self) -> None:
        write_text(self.folder / STATE, json.dumps(self._state))


def mirrored(uri: Path, report: Callable[[str], None] = lambda line: None) -> Path:
    """The folder to work in: of a place in a store one of this machine, which is filled from it; else the same.

    Raises EarmarkError.
    """
    uri = place(uri)
    if not isinstance(uri, Stored):
        return uri
    folder = working(uri)
    if folder not in _open:
        _open[folder] = Mirror(uri, report)
    return folder


def mirror_of(folder: Path) -> Mirror | None:
    """Of a folder that `mirrored` gave."""
    return _open.get(folder)


def working(uri: Stored) -> Path:
    """Where a job in a store is worked on; EARMARK_JOBS names another disk, for jobs with large results."""
    known = os.environ.get("EARMARK_JOBS")
    root = Path(known) if known else remembered.folder() / "jobs"
    digest = hashlib.sha256(f"{os.environ.get('AWS_ENDPOINT_URL', '')} {uri}".encode()).hexdigest()[:12]
    return root / f"{shortened(uri.name, 100)}-{digest}"


def begun(job: Path) -> bool:
    """Whether a job, or a shard of it, has begun. Raises OSError of a store."""
    if isinstance(job, Stored):
        return told_of(job) is not None or bool(shards(job))
    return (job / NAME).is_file() or bool(journal.shards(job))


def told_of(uri: Stored) -> dict[str, Any] | None:
    """What is told of a job in a store; None: there is none. Raises OSError, and EarmarkError for what is of no job."""
    path = Stored(f"{uri}/{HEAD}")
    try:
        told = json.loads(path.read_bytes())
        if told["job"] > FORMAT:
            raise EarmarkError(
                f"{uri}: a job of a newer earmark (format {told['job']}, this one knows {FORMAT}). Upgrade"
            )
        return {"owner": told["owner"], "at": float(told["at"]), **told}
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError) as error:
        raise EarmarkError(f"{path}: tells of no job ({type(error).__name__}: {error}). Name another place") from error


def alive(told: Mapping[str, Any]) -> bool:
    """Whether a process is at work, as far as it tells."""
    return bool(told["at_work"]) and time.time() - told["at"] < LOST


def parts_of(uri: Stored) -> list[str]:
    """The parts of a job that are whole, in their order, without their endings. Raises OSError."""
    try:
        names = sorted(each.name for each in Stored(f"{uri}/{PARTS}").iterdir())
    except FileNotFoundError:
        return []
    return [f"{uri}/{PARTS}/{name.removesuffix('.jsonl')}" for name in names if name.endswith(".jsonl")]


def number(part: str) -> int:
    """Which of a job's parts it is, counted from 1, by what `parts_of` calls it.

    >>> number("s3://bucket/job/parts/000012-ab12cd34")
    12
    """
    return int(part.rpartition("/")[2].partition("-")[0])


def shards(uri: Stored) -> list[Stored]:
    """Those that have begun. Raises OSError."""
    try:
        found = list(Stored(f"{uri}/{SHARDS}").iterdir())
    except FileNotFoundError:
        return []
    return [each for each in sorted(found, key=lambda each: (len(each.name), each.name)) if isinstance(each, Stored)]


def _end(path: Path) -> int:
    """Bytes of a log's whole lines."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            while size:
                first = max(0, size - 65536)
                file.seek(first)
                at = file.read(size - first).rfind(b"\n")
                if at >= 0:
                    return first + at + 1
                size = first
    except FileNotFoundError:
        pass
    return 0


def _head(path: Path) -> int:
    """Bytes of its first line."""
    try:
        with path.open("rb") as file:
            return len(file.readline())
    except FileNotFoundError:
        return 0


def _bytes(path: Path, first: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(first)
        return file.read(end - first)


def _lines(path: Path, first: int, end: int) -> Iterator[dict[str, Any]]:
    for line in _bytes(path, max(first, _head(path)), end).splitlines():
        yield json.loads(line)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    told = tarfile.TarInfo(name)
    told.size = len(data)
    tar.addfile(told, io.BytesIO(data))
