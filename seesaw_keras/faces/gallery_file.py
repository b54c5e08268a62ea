"""Crash-safe storage of embeddings by name in one SQLite file: one writer at a time, any number of readers.

>>> import numpy as np
>>> from seesaw_keras.faces.gallery_file import GalleryFile, GalleryModel
>>> file = GalleryFile("people.gallery", GalleryModel(sha256="0" * 64, embedding_size=4))  # doctest: +SKIP
>>> file.add("Ada", {b"of the image": np.float32([1, 0, 0, 0])})  # doctest: +SKIP
1

Once `add` or `remove` returns, the change is on disk (write-ahead log, synchronous=FULL). After a deletion the file is
rewritten and the log emptied: no deleted data remains in either. The file is created readable by its owner only.

Layout, version 1 (`user_version`): `model` has one row, with the number of deletions so far; `embedding.image`
identifies an enrolled image; `embedding.crc32` covers name, image and vector, all little-endian.
"""

import os
import re
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Changes", "GalleryError", "GalleryFile", "GalleryModel", "GalleryState"]

APPLICATION_ID = int.from_bytes(b"Ssaw", "big")
VERSION = 1
BUSY_SECONDS = 30.0  # to wait for another writing process
PAGE_SIZE = 16384  # seven embeddings of 512 numbers; SQLite's default of 4096 would hold one and waste half the page
_REMEDY = "restore a copy, or enroll everybody in a new gallery"
MAX_EMBEDDING_SIZE = 1 << 16
_HEADER = b"SQLite format 3\0"
_SCHEMA = (
    "CREATE TABLE model (sha256 TEXT NOT NULL, embedding_size INTEGER NOT NULL, deletions INTEGER NOT NULL)",
    "CREATE TABLE person (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE)",
    "CREATE TABLE embedding (id INTEGER PRIMARY KEY AUTOINCREMENT, "
    "person INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE, image BLOB NOT NULL, vector BLOB NOT NULL, "
    "crc32 INTEGER NOT NULL, UNIQUE (person, image))",
)
_SEQUENCE = "CREATE TABLE sqlite_sequence(name,seq)"  # created by AUTOINCREMENT: ids are never reused


class GalleryError(ValueError):
    """A file is not a gallery, is damaged, or belongs to another model."""


class GalleryModel(NamedTuple):
    """The model that computed the embeddings of a gallery.

    Attributes:
        sha256: SHA-256 of the flatbuffer, in hexadecimal digits.
        embedding_size: length of an embedding.
    """

    sha256: str
    embedding_size: int


class GalleryState(NamedTuple):
    """Version of a file's contents, to detect changes.

    Attributes:
        deletions: number of deletions so far.
        last: id of the newest embedding.
    """

    deletions: int
    last: int


class Changes(NamedTuple):
    """Changes of a file since a given state.

    Attributes:
        state: the current state of the file.
        everything: whether these are all embeddings, not only those added since.
        names: (n,) person of each embedding.
        vectors: float32 (n, embedding_size).
    """

    state: GalleryState
    everything: bool
    names: list[str]
    vectors: npt.NDArray[np.float32]


class GalleryFile:
    """The file of a gallery. Thread-safe.

    Attributes:
        path: the file.
        model: the model that computed its embeddings.
    """

    def __init__(self, path: str | Path, model: GalleryModel | None = None) -> None:
        """Opens and checks the file; creates it if it does not exist.

        Args:
            path: the file.
            model: the model that computes the embeddings; None to accept the model of an existing file.

        Raises:
            FileNotFoundError: the file does not exist and `model` is None.
            OSError: the file cannot be read or written.
            GalleryError: the file is not a gallery, is damaged, or holds embeddings of another model.
        """
        self.path = Path(path)
        if model is None and not self.path.is_file():
            raise FileNotFoundError(f"{self.path}: no such gallery")
        self._lock = threading.RLock()
        # Created here, not by SQLite, to set the permissions: face data is private.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        self._check_header()
        with self._errors():
            self._connection = sqlite3.connect(
                f"{self.path.resolve().as_uri()}?mode=rw",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            with self._errors():
                self._set_up(model)
            self.model = self._checked_model(model)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Closes the file; the log is merged into it when no other process has it open."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> "GalleryFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, name: str, vectors: Mapping[bytes, npt.NDArray[np.float32]]) -> int:
        """Stores embeddings of a person; they are on disk when the method returns.

        Args:
            name: the person, new or already enrolled.
            vectors: embeddings by image digest; those already stored for the person are not changed.

        Returns:
            The number of new embeddings.

        Raises:
            OSError: the disk is full, or another process keeps the file locked.
            GalleryError: the file is damaged.
            ValueError: an embedding is not float32 (embedding_size,).
        """
        for vector in vectors.values():
            if vector.dtype != np.float32 or vector.shape != (self.model.embedding_size,):
                raise ValueError(
                    f"{self.path}: an embedding must be float32 ({self.model.embedding_size},), got {vector.dtype} "
                    f"{vector.shape}"
                )
        with self._transaction() as execute:
            execute("INSERT OR IGNORE INTO person (name) VALUES (?)", (name,))
            ((person,),) = execute("SELECT id FROM person WHERE name = ?", (name,)).fetchall()
            added = 0
            for image, vector in vectors.items():
                data = vector.astype("<f4").tobytes()
                row = (person, image, data, _crc(name.encode(), image, data))
                added += execute(
                    "INSERT OR IGNORE INTO embedding (person, image, vector, crc32) VALUES (?, ?, ?, ?)", row
                ).rowcount
        return added

    def remove(self, name: str) -> int:
        """Deletes a person and rewrites the file: no byte of the name or embeddings remains in the file or its log.

        Returns:
            The number of embeddings deleted.

        Raises:
            OSError: another process keeps writing or reading; call again.
            GalleryError: the file is damaged.
            ValueError: there is no person of that name.
        """
        with self._transaction() as execute:
            found = execute("SELECT id FROM person WHERE name = ?", (name,)).fetchall()
            deleted = 0
            for (person,) in found:
                deleted = execute("DELETE FROM embedding WHERE person = ?", (person,)).rowcount
                execute("DELETE FROM person WHERE id = ?", (person,))
                execute("UPDATE model SET deletions = deletions + 1")
        self._purge()  # also if no row was deleted: an earlier process may have been killed before this call
        if not found:
            raise ValueError(f"{self.path}: no person named {name!r}")
        return deleted

    def people(self) -> dict[str, int]:
        """Returns the number of embeddings per person, by name."""
        with self._transaction("DEFERRED") as execute:
            rows = execute(
                "SELECT name, count(embedding.id) FROM person LEFT JOIN embedding ON person = person.id GROUP BY name"
            ).fetchall()
        return {self._text(name): count for name, count in rows}

    def images_of(self, name: str) -> set[bytes]:
        """Returns the digests of the images that a person was enrolled with."""
        with self._transaction("DEFERRED") as execute:
            rows = execute("SELECT image FROM embedding JOIN person ON person = person.id WHERE name = ?", (name,))
            return {image for (image,) in rows.fetchall()}

    def changes(self, seen: GalleryState | None) -> Changes:
        """Returns what was added since `seen`, or everything if a person was removed or `seen` is None.

        Raises:
            OSError: the file cannot be read.
            GalleryError: the file is damaged.
        """
        size = 4 * self.model.embedding_size
        with self._transaction("DEFERRED") as execute:
            ((deletions, last),) = execute(
                "SELECT deletions, (SELECT coalesce(max(id), 0) FROM embedding) FROM model"
            ).fetchall()
            everything = seen is None or seen.deletions != deletions
            after = 0 if seen is None or everything else seen.last
            rows = execute(
                "SELECT embedding.id, name, image, CASE WHEN length(vector) = ? THEN vector END, crc32 "
                "FROM embedding LEFT JOIN person ON person = person.id WHERE embedding.id > ? ORDER BY embedding.id",
                (size, after),
            )
            names, data = [], bytearray()
            for number, name, image, vector, crc in rows:
                if not all(isinstance(part, bytes) for part in (name, image, vector)) or crc != _crc(
                    name, image, vector
                ):
                    raise GalleryError(f"{self.path}: damaged: the checksum of embedding {number} is wrong; {_REMEDY}")
                names.append(self._text(name))
                data += vector
        vectors = np.frombuffer(data, "<f4").reshape(-1, self.model.embedding_size).astype(np.float32, copy=False)
        return Changes(GalleryState(deletions, last), everything, names, vectors)

    def _check_header(self) -> None:
        with self.path.open("rb") as file:
            start = file.read(len(_HEADER))
        if start and start != _HEADER:
            raise GalleryError(f"{self.path}: not a gallery: not an SQLite file; choose another")

    def _set_up(self, model: GalleryModel | None) -> None:
        execute = self._connection.execute
        self._connection.text_factory = bytes  # names from other programs may not be valid UTF-8
        execute(f"PRAGMA page_size = {PAGE_SIZE}")  # takes effect only while the file has no pages
        execute("PRAGMA trusted_schema = OFF")
        execute("PRAGMA foreign_keys = ON")
        execute("PRAGMA secure_delete = ON")  # in case of a kill before `_purge`
        execute("PRAGMA temp_store = MEMORY")  # VACUUM's copy must not be written to the temporary folder
        execute("PRAGMA synchronous = FULL")
        if model is not None and self._is_new():
            with self._transaction() as execute_in:
                if self._is_new():  # checked again: another process may have been faster
                    for statement in _SCHEMA:
                        execute_in(statement)
                    execute_in("INSERT INTO model VALUES (?, ?, 0)", model)
                    execute_in(f"PRAGMA application_id = {APPLICATION_ID}")
                    execute_in(f"PRAGMA user_version = {VERSION}")
        self._check_kind()
        self._enable_wal()
        ((problem,),) = execute("PRAGMA quick_check(1)").fetchall()
        if problem != b"ok":
            raise GalleryError(f"{self.path}: damaged: {problem.decode(errors='replace')}; {_REMEDY}")

    def _is_new(self) -> bool:
        return not self._pragma("application_id") and not self._schema()

    def _check_kind(self) -> None:
        if self._pragma("application_id") != APPLICATION_ID:
            kind = "an empty file" if self._is_new() else "an SQLite file of another program"
            raise GalleryError(f"{self.path}: not a gallery: {kind}; choose another")
        version = self._pragma("user_version")
        if version != VERSION:
            raise GalleryError(
                f"{self.path}: gallery format version {version}, expected {VERSION}: use the matching seesaw_keras"
            )
        if self._schema() != {*_SCHEMA, _SEQUENCE}:
            raise GalleryError(f"{self.path}: damaged: the tables are not those of a gallery; {_REMEDY}")

    def _pragma(self, name: str) -> int:
        ((value,),) = self._connection.execute(f"PRAGMA {name}").fetchall()
        return value

    def _schema(self) -> set[str]:
        rows = self._connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        return {self._text(sql) for (sql,) in rows}

    def _enable_wal(self) -> None:
        """Enables the write-ahead log, a setting of the file; retries, because SQLite does not wait for locks here."""
        until = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL").fetchall()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.01)
            else:
                return

    def _checked_model(self, expected: GalleryModel | None) -> GalleryModel:
        with self._transaction("DEFERRED") as execute:
            rows = execute("SELECT sha256, embedding_size FROM model").fetchall()
        found = GalleryModel(self._text(rows[0][0]), rows[0][1]) if len(rows) == 1 else GalleryModel("", 0)
        known_size = isinstance(found.embedding_size, int) and 0 < found.embedding_size <= MAX_EMBEDDING_SIZE
        if not known_size or not re.fullmatch("[0-9a-f]{64}", found.sha256):
            raise GalleryError(f"{self.path}: damaged: its model is not recorded; {_REMEDY}")
        if expected is not None and found != expected:
            raise GalleryError(
                f"{self.path}: contains embeddings of another model ({found.embedding_size} numbers, sha256 "
                f"{found.sha256[:12]}...), which cannot be compared with those of this one ({expected.embedding_size} "
                f"numbers, {expected.sha256[:12]}...); use that model, or enroll everybody in a new gallery"
            )
        return found

    def _purge(self) -> None:
        with self._lock, self._errors():
            # secure_delete is not enough: SQLite leaves copies of rows that it moves between pages.
            self._connection.execute("VACUUM")
            ((busy, _, _),) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if busy:
            raise TimeoutError(
                f"{self.path}: deleted, but traces remain in {self.path.name}-wal while another process is reading; "
                f"remove again when it has ended"
            )

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[Callable[..., sqlite3.Cursor]]:
        """Holds the lock and a transaction, which is rolled back if the block raises."""
        with self._lock, self._errors():
            self._connection.execute(f"BEGIN {kind}")
            try:
                yield self._connection.execute
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.rollback()  # no effect if SQLite has already rolled back
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Converts SQLite's exceptions to exceptions that name the file."""
        try:
            yield
        except sqlite3.ProgrammingError as error:
            raise ValueError(f"{self.path}: {error}") from error  # connection closed; the file is intact
        except sqlite3.OperationalError as error:  # locked, full, read-only, I/O
            raise OSError(f"{self.path}: {error}") from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # UnicodeDecodeError from SQLite's own messages
            raise GalleryError(f"{self.path}: damaged: {error}; {_REMEDY}") from error

    def _text(self, value: bytes) -> str:
        try:
            return value.decode()
        except (UnicodeDecodeError, AttributeError) as error:
            raise GalleryError(f"{self.path}: damaged: {value!r} instead of text; {_REMEDY}") from error


def _crc(*parts: bytes) -> int:
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return crc
