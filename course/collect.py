"""Find the submissions in a folder, whoever made the folder."""

import json
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import nbformat

from course.assignment import grade_id

LARGEST_MIB = 20
MOODLE_FILES = re.compile(r"_assignsubmission_file_?$")
MOODLE_TEXT = re.compile(r"_assignsubmission_onlinetext_?$")


class Refused(Exception):
    """A file that cannot be graded; the message says why."""


@dataclass(frozen=True)
class Submission:
    """What one student handed in.

    Attributes
    ----------
    student : str
        Name of the file or of its folder.
    path : pathlib.Path
    assignment : str
        Stem of the assignment, or "" when it is refused.
    notebook : nbformat.NotebookNode or None
    refused : str
        Why it cannot be graded, or "".
    """

    student: str
    path: Path
    assignment: str = ""
    notebook: nbformat.NotebookNode | None = None
    refused: str = ""

    @property
    def note(self):
        """Why it was refused, with the name of the file."""
        return f"{_name(self.path.name)} {self.refused}"


def collect(folder, assignments):
    """All submissions in a folder: ``name.ipynb``, ``name/anything.ipynb``, or a learning platform's export.

    Parameters
    ----------
    folder : pathlib.Path
    assignments : dict of str to Assignment

    Returns
    -------
    list of Submission
        With the reason in `refused` for what cannot be graded.
    """
    found = [_read(student, path, assignments) for student, path in _files(folder)]
    copies = Counter((one.student, one.assignment) for one in found if one.assignment)
    return [_only(one, copies[one.student, one.assignment]) for one in found]


def _files(folder):
    """Pairs of student and path, a folder without a notebook among them."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or MOODLE_TEXT.search(entry.name):
            continue
        if entry.is_symlink() or not entry.is_dir():
            yield _name(entry.stem), entry
            continue
        inside = sorted(path for path in entry.rglob("*") if ".ipynb_checkpoints" not in path.parts)
        notebooks = [path for path in inside if path.suffix == ".ipynb"]
        for path in notebooks or [entry]:
            yield _name(MOODLE_FILES.sub("", entry.name)), path


def _name(text):
    """A name that can be printed and written, whatever the file system says, and that leads to no other folder."""
    text = unicodedata.normalize("NFC", text).strip().lstrip(".")
    return "".join(letter if letter.isprintable() else "?" for letter in text) or "?"


def _read(student, path, assignments):
    try:
        notebook = _load(path)
        return Submission(student, path, _which(notebook, assignments), notebook)
    except Refused as reason:
        return Submission(student, path, refused=str(reason))


def _load(path):
    if path.is_symlink():
        raise Refused("is a link and not a file")
    if path.is_dir():
        raise Refused("holds no notebook")
    if path.suffix != ".ipynb" or not path.is_file():
        raise Refused("is not a notebook (.ipynb)")
    if path.stat().st_size > LARGEST_MIB << 20:
        raise Refused(f"is larger than {LARGEST_MIB} MiB")
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
        nbformat.writes(notebook).encode()  # fails for half of a surrogate pair
        return notebook
    except (json.JSONDecodeError, UnicodeDecodeError, nbformat.reader.NotJSONError):
        raise Refused("is not valid JSON") from None
    except Exception as error:
        raise Refused(f"is not a valid notebook ({type(error).__name__})") from None


def _which(notebook, assignments):
    """The assignment that a notebook says it is, or the one with which it shares most cells."""
    said = notebook.metadata.get("aedyn")
    if isinstance(said, dict) and str(said.get("assignment")) in assignments:
        return str(said["assignment"])
    ids = {grade_id(cell) for cell in notebook.cells}
    shared = {stem: len(ids & set(assignment.marked)) for stem, assignment in assignments.items()}
    stem = max(shared, key=shared.get)
    if not shared[stem]:
        raise Refused("belongs to none of the assignments")
    return stem


def _only(submission, n_copies):
    if n_copies < 2:
        return submission
    reason = f"is one of {n_copies} notebooks for {submission.assignment}: leave one"
    return Submission(submission.student, submission.path, refused=reason)
