"""Finished trials in an SQLite file, which several processes may use at once and which outlives each of them."""

import json
import sqlite3
from contextlib import contextmanager
from time import monotonic, sleep
from typing import NamedTuple

APPLICATION = 0x41654479  # "AeDy" in the header marks the file
LAYOUT = 1
PATIENCE = 60  # seconds to wait for another process to finish writing

_TABLES = """
CREATE TABLE points (
    id INTEGER PRIMARY KEY,
    experiment TEXT NOT NULL, seed TEXT NOT NULL, parameters TEXT NOT NULL,
    UNIQUE (experiment, seed, parameters)
);
CREATE TABLE trials (
    point INTEGER NOT NULL REFERENCES points, number INTEGER NOT NULL,
    "values" TEXT, seconds REAL, failure TEXT NOT NULL, again INTEGER NOT NULL,
    PRIMARY KEY (point, number)
) WITHOUT ROWID;
"""
_RECORD = """
INSERT INTO trials SELECT point, ?2, ?3, ?4, ?5, ?6 FROM wanted WHERE position = ?1
ON CONFLICT DO UPDATE SET
    "values" = excluded."values", seconds = excluded.seconds, failure = excluded.failure, again = excluded.again
WHERE trials.again
"""
_WANTED = "FROM wanted CROSS JOIN trials ON trials.point = wanted.point AND number < ?"


class StoreError(RuntimeError):
    """The file of finished trials cannot be used; the message says why, and what to do."""


class Row(NamedTuple):
    """A recorded trial, with the position of its point in this sweep."""

    position: int
    number: int
    values: dict
    seconds: float | None
    failure: str


class Store:
    """Recorded trials of one sweep.

    Parameters
    ----------
    path : str or Path, optional
        Without it a temporary file, which goes with the object.
    experiment : str
        Digest of the experiment and the package.
    seed : str
    points : iterable of str
        Parameters of each point as JSON.
    """

    def __init__(self, path, experiment, seed, points):
        self.path = path
        with self._translated():
            self._connection = sqlite3.connect(path or "", timeout=PATIENCE, isolation_level=None)
            try:
                self._open_patiently()
                self._enter(experiment, seed, points)
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()

    def n_done(self, n_trials):
        """Number of trials that need no run any more."""
        with self._translated():
            return self._connection.execute(f"SELECT count(*) {_WANTED} AND NOT again", [n_trials]).fetchone()[0]

    def done(self, position, n_trials):
        """Numbers of these at one point."""
        query = f"SELECT number {_WANTED} AND NOT again WHERE position = ?"
        with self._translated():
            return {number for (number,) in self._connection.execute(query, [n_trials, position])}

    def record(self, outcomes):
        """Keep outcomes, all or none; one that another process has recorded stays as it is."""
        with self._translated(), self._transaction():
            self._connection.executemany(_RECORD, outcomes)

    def rows(self, n_trials):
        """Recorded trials as `Row`, in the order of points and trials."""
        query = f'SELECT position, number, "values", seconds, failure {_WANTED} ORDER BY position, number'
        with self._translated():
            for position, number, values, seconds, failure in self._connection.execute(query, [n_trials]):
                yield Row(position, number, json.loads(values) if values else {}, seconds, failure)

    def _open_patiently(self):
        """SQLite itself does not wait when two processes make the same file."""
        end = monotonic() + PATIENCE
        while True:
            try:
                return self._open()
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or monotonic() > end:
                    raise
                sleep(0.01)

    def _open(self):
        if not self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            with self._transaction():
                # another process may have been faster
                if self._pragma("application_id") == 0:
                    for statement in _TABLES.split(";"):
                        self._connection.execute(statement)
                    self._pragma(f"user_version = {LAYOUT}")
                    self._pragma(f"application_id = {APPLICATION}")
        if self._pragma("application_id") != APPLICATION or self._pragma("user_version") != LAYOUT:
            raise StoreError(f"{self.path} is a database, but not a store of trials of this version: name another file")
        if self._pragma("quick_check(1)") != "ok":
            raise sqlite3.DatabaseError("its check fails")
        self._pragma("journal_mode = WAL")
        self._pragma("synchronous = NORMAL")

    def _enter(self, experiment, seed, points):
        self._connection.execute("CREATE TEMP TABLE wanted (position INTEGER PRIMARY KEY, point INTEGER NOT NULL)")
        with self._transaction():
            for position, parameters in enumerate(points):
                point = [experiment, seed, parameters]
                self._connection.execute(
                    "INSERT OR IGNORE INTO points (experiment, seed, parameters) VALUES (?, ?, ?)", point
                )
                self._connection.execute(
                    "INSERT INTO wanted SELECT ?, id FROM points WHERE experiment = ? AND seed = ? AND parameters = ?",
                    [position, *point],
                )

    def _pragma(self, text):
        row = self._connection.execute(f"PRAGMA {text}").fetchone()
        return row and row[0]

    @contextmanager
    def _transaction(self):
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _translated(self):
        """Errors of the database in a sentence."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise
        except (sqlite3.Error, json.JSONDecodeError) as error:
            name = getattr(error, "sqlite_errorname", "")
            file = f"the store {self.path}" if self.path else "the temporary store of this sweep"
            if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR"):
                text = f"{file} cannot grow ({error}): what it holds stays, so make room and call again"
            elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                text = f"{file} was in use by another process for {PATIENCE} s: call again later"
            elif name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
                text = f"{file} cannot be opened for writing ({error}): name another file, or make its folder writable"
            else:
                text = f"{file} is damaged ({error}) and was left as it is: put a copy back, or move it away"
            raise StoreError(text) from error
