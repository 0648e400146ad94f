"""Places that are URIs: `s3://bucket/a/b.flac`, `gs://bucket/b.wav`, `file:///data/b.wav`.

A file of an object store is a path like any other to all that asks for its name, its folder, its size or what is in it: see
`Stored`. It is read in ranges, BLOCK bytes at once, and never whole. Who may read is told by the environment alone, as
everywhere: AWS_ACCESS_KEY_ID and others, AWS_PROFILE, a machine's role, GOOGLE_APPLICATION_CREDENTIALS; AWS_ENDPOINT_URL names
another store that speaks as S3 does. Nothing of a URI is a password, and one that holds one is refused.

A request that fails is made again, ATTEMPTS times in all, with pauses; a store that does not answer at all is given up after
PATIENCE seconds an attempt. Then it is an OSError, of which the system's words are told.
"""

from __future__ import annotations

import errno
import io
import os
import re
from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PosixPath, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, cast
from urllib.parse import unquote, urlsplit

from earmark.errors import EarmarkError

SCHEMES = ("s3", "gs", "gcs")
BLOCK = 1 << 20  # bytes of a request
BLOCKS = 4  # that are kept of a file: decoders go back to headers and tables
ATTEMPTS = 4
PATIENCE = 20.0  # s
LISTED: dict[str, Any] = {}  # what a store said of files as it listed them: nobody asks a million times again
_URI = re.compile(r"(s3|gs|gcs):/+(.+)", re.DOTALL)
_EXTRA = "pip install pyarrow"


class Known(NamedTuple):
    """What a store has told of a file. mtime_ns: when it was put, in ns."""

    size: int
    mtime_ns: int


class Stored(PosixPath if os.name == "posix" else PurePosixPath):  # type: ignore[misc]
    """A file or a folder of an object store, as a path. What is not asked of it here it does not know.

    >>> sound = Stored("s3://bucket/site-1/dawn.flac")
    >>> str(sound), sound.name, str(sound.parent / "dusk.flac")
    ('s3://bucket/site-1/dawn.flac', 'dawn.flac', 's3://bucket/site-1/dusk.flac')
    """

    __slots__ = ("known",)
    known: Known  # where it was told as a folder was listed

    def __str__(self) -> str:
        text = super().__str__()
        scheme, _, rest = text.partition(":/")
        return f"{scheme}://{rest}" if scheme in SCHEMES and rest else text

    def __fspath__(self) -> str:
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return place, (str(self),)

    @property
    def _scheme(self) -> str:
        return str(self).partition(":")[0]

    @property
    def _inside(self) -> tuple[Any, str]:
        """The file system, and the path in it."""
        match = _URI.fullmatch(super().__str__())
        assert match is not None
        return _system(match[1]), match[2]

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Its size and time of change. Raises OSError."""
        told = self._told()
        if told.type.name == "NotFound":
            raise FileNotFoundError(2, "does not exist in its store", str(self))
        kind = 0o100444 if told.is_file else 0o040555
        changed = told.mtime_ns or 0
        times = (changed // 10**9,) * 3 + (changed / 1e9,) * 3 + (changed,) * 3
        return os.stat_result((kind, 0, 0, 1, 0, 0, told.size or 0, *times))

    def _told(self) -> Any:
        if (told := getattr(self, "known", None)) is not None:
            from pyarrow import fs

            return fs.FileInfo(str(self), fs.FileType.File, size=told.size, mtime_ns=told.mtime_ns)
        system, inside = self._inside
        if (known := LISTED.get(str(self))) is not None:
            return known
        with named(self):
            return system.get_file_info(inside)

    def exists(self, **_: Any) -> bool:
        return bool(self._told().type.name != "NotFound")

    def is_file(self, **_: Any) -> bool:
        try:
            return bool(self._told().is_file)
        except OSError:
            return False

    def is_dir(self, **_: Any) -> bool:
        try:
            return bool(self._told().type.name == "Directory")
        except OSError:  # reading it tells, as of one recording among others
            return False

    def read_bytes(self) -> bytes:
        system, inside = self._inside
        with named(self), system.open_input_file(inside) as file:
            return bytes(file.read())

    def read_text(self, encoding: str | None = None, errors: str | None = None, newline: str | None = None) -> str:
        with self.open("r", -1, encoding, errors, newline) as file:
            return str(file.read())

    def open(
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """For reading. Raises OSError."""
        if mode not in ("r", "rb", "rt"):
            raise self._only_whole(f"open as {mode}")
        file = io.BufferedReader(self.ranged())
        return file if mode == "rb" else io.TextIOWrapper(file, encoding, errors, newline)

    def iterdir(self) -> Iterator[Path]:
        """What is in a folder, in the order of names. Raises OSError."""
        from pyarrow import fs

        system, inside = self._inside
        with named(self):
            found = system.get_file_info(fs.FileSelector(inside))
        for each in sorted(found, key=lambda each: str(each.path)):
            yield self / each.base_name

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Stores know files alone: a folder is there once one of its files is."""

    def absolute(self) -> Stored:
        return self

    def resolve(self, strict: bool = False) -> Stored:
        return self

    def is_symlink(self) -> bool:
        return False

    def _only_whole(self, what: str) -> OSError:
        """For what would otherwise be done on the disk, under a like name."""
        return OSError(
            errno.EOPNOTSUPP, f"lies in a store, where whole files are put and nothing else is done ({what})", str(self)
        )

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise self._only_whole("a change in place")

    write_bytes = write_text = touch = unlink = rename = replace = rmdir = _refuse
    symlink_to = hardlink_to = chmod = glob = rglob = walk = _refuse

    def ranged(self) -> Ranged:
        """Open for reading, in ranges. Raises OSError."""
        return Ranged(self)

    def walk_files(self) -> Iterator[tuple[str, int]]:
        """All files below, as they are listed: relative names and bytes, a page of the store at a time."""
        from pyarrow import fs

        system, inside = self._inside
        below = [inside]
        while below:
            folder = below.pop()
            with named(self):
                found = system.get_file_info(fs.FileSelector(folder))
            for each in found:
                if each.type == fs.FileType.Directory:
                    below.append(each.path)
                elif each.type == fs.FileType.File:
                    LISTED[f"{self._scheme}://{each.path}"] = each
                    yield each.path[len(inside.rstrip("/")) + 1 :], each.size

    def walk_in_order(self) -> Iterator[tuple[str, Known]]:
        """All files below: relative names and what is told of them. A folder's files come in the order of their names, then its
        folders; so memory holds one folder at a time. Raises OSError.
        """
        from pyarrow import fs

        system, inside = self._inside
        start = len(inside.rstrip("/")) + 1
        below = [inside]
        while below:
            folder = below.pop()
            with named(self):
                found = sorted(system.get_file_info(fs.FileSelector(folder)), key=lambda each: str(each.path))
            below += reversed([each.path for each in found if each.type == fs.FileType.Directory])
            for each in found:
                if each.type == fs.FileType.File:
                    yield each.path[start:], Known(each.size, each.mtime_ns or 0)


class Ranged(io.RawIOBase):
    """A file of a store for decoders: what they read comes in blocks, a few of which are kept.

    failed: what the store said as it did not give a block. A decoder in C cannot be told of an error: it gets nothing more,
    and whoever opened the file looks here at its end.
    """

    def __init__(self, path: Stored):
        system, inside = path._inside
        self.path, self.requests = path, 0
        self.failed: OSError | None = None
        with named(path):
            self._file = system.open_input_file(inside)
            self._size = self._file.size()
        self._at = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def seek(self, to: int, whence: int = 0) -> int:
        self._at = max(0, to + (0, self._at, self._size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._size - self._at)
        left = left if count < 0 else min(count, left)
        parts = []
        while left:
            block, offset = divmod(self._at, BLOCK)
            try:
                part = b"" if self.failed else self._block(block)[offset : offset + left]
            except OSError as error:
                self.failed, part = error, b""
            if not part:
                self.failed = self.failed or OSError(
                    errno.ECONNABORTED, "its store gives less than it says it has", str(self.path)
                )
                break
            parts.append(part)
            self._at += len(part)
            left -= len(part)
        return b"".join(parts)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _block(self, number: int) -> bytes:
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        first = number * BLOCK
        with named(self.path):
            data: bytes = self._file.read_at(min(BLOCK, self._size - first), first)
        self.requests += 1
        self._kept[number] = data
        if len(self._kept) > BLOCKS:
            self._kept.popitem(last=False)
        return data

    def close(self) -> None:
        if not self.closed and hasattr(self, "_file"):
            self._file.close()
        super().close()


def place(told: str | Path) -> Path:
    """A path, or what a URI names; also where a path made one slash of two. Raises EarmarkError for other URIs.

    >>> place("s3:/bucket/a.wav"), place("file:///data/a.wav")
    (Stored('s3://bucket/a.wav'), PosixPath('/data/a.wav'))
    """
    if isinstance(told, Stored):
        return told
    text = str(told)
    if match := _URI.fullmatch(text):
        if "@" in match[2].split("/")[0]:
            raise EarmarkError(
                f"{text.split(':')[0]}://…: holds a name or a password before @. Give them by the environment (AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY), and the URI without"
            )
        return cast(Path, Stored(text))
    if match := re.fullmatch(r"file:(?://)?(/.*)", text, re.DOTALL):
        return Path(unquote(match[1]))
    return told if isinstance(told, Path) else Path(told)


def strange(told: str) -> str:
    """What keeps a word that begins as a URI from being the name of a place, with the way out; '' where nothing does.

    >>> strange("s3://bucket/a.wav"), strange("file:///data/a.wav"), strange("a:/b.wav"), strange("./http://x")
    ('', '', '', '')
    >>> strange("S3://bucket/a.wav")
    'its scheme is written s3://, in small letters'
    """
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", told, re.DOTALL)
    if match is None:
        return ""
    scheme, rest = match[1], match[2]
    if scheme != scheme.lower() and scheme.lower() in (*SCHEMES, "file"):
        return f"its scheme is written {scheme.lower()}://, in small letters"
    if scheme == "file":
        return "" if rest.startswith("/") else "names no file of this machine: write file:///, then its whole path"
    if scheme in SCHEMES:
        return "" if rest.strip("/") else f"names no bucket: write {scheme}://BUCKET/NAME"
    known = ", ".join(f"{each}://" for each in (*SCHEMES, "file"))
    return (
        f"{scheme}:// is no place that is read or written here; {known} and paths are. Download what is there first, and copy what is "
        f"written; a local folder {scheme}: is named ./{scheme}:/…"
    )


def is_stored(path: Path) -> bool:
    return isinstance(path, Stored)


def opened(path: Path) -> BinaryIO:
    """Open for reading bytes. Raises OSError."""
    return cast(BinaryIO, path.ranged()) if isinstance(path, Stored) else path.open("rb")


@lru_cache(maxsize=8)
def _of(scheme: str, endpoint: str | None) -> Any:
    """A file system of pyarrow's, for the while of the process."""
    try:
        from pyarrow import fs
    except ImportError as error:
        raise EarmarkError(f"{scheme}://…: places in a store need pyarrow: {_EXTRA}") from error
    if scheme != "s3":
        from datetime import timedelta

        return fs.GcsFileSystem(retry_time_limit=timedelta(seconds=ATTEMPTS * PATIENCE))
    told: dict[str, Any] = {}
    if endpoint:
        split = urlsplit(endpoint if "//" in endpoint else f"https://{endpoint}")
        told = {"endpoint_override": split.netloc, "scheme": split.scheme}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    told |= {"region": region, "connect_timeout": PATIENCE, "request_timeout": PATIENCE}
    told |= {"retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS)}
    try:
        return fs.S3FileSystem(**told, allow_delayed_open=True)  # a small file is one request to put, not three
    except TypeError:  # of before pyarrow 18
        return fs.S3FileSystem(**told)


def _system(scheme: str) -> Any:
    return _of(scheme, os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"))


class named:
    """What a store says goes wrong with a file, as an OSError of its name, short. what: it does not do."""

    def __init__(self, path: Path, what: str = "does not give it"):
        self.path, self.what = path, what

    @property
    def may(self) -> str:
        return "read" if self.what == "does not give it" else "write"

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if error is None or not isinstance(error, OSError):
            return
        text = str(error)
        if isinstance(error, FileNotFoundError) or "NO_SUCH" in text or "RESOURCE_NOT_FOUND" in text:
            raise FileNotFoundError(2, "does not exist in its store", str(self.path)) from error
        if "ACCESS_DENIED" in text or "403" in text or "INVALID_ACCESS_KEY" in text or "SIGNATURE" in text:
            raise PermissionError(
                13, f"its store refuses: the environment's credentials may not {self.may} it", str(self.path)
            ) from error
        said = re.sub(r"\s+", " ", text)[:200]
        raise OSError(
            errno.ECONNABORTED, f"its store {self.what}, asked {ATTEMPTS} times: {said}", str(self.path)
        ) from error
