"""Scores in nbgrader's gradebook, so that what is given by hand is kept; grades.csv and feedback are made from it."""

import csv
import hashlib
import os
import signal
import sys
import warnings
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import nbformat
from joblib import Parallel, delayed
from nbconvert.exporters import HTMLExporter
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader import preprocessors
from nbgrader.api import Gradebook
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

SETTINGS = """\
# With this file, `jupyter lab` in this folder shows nbgrader's form for grading by hand (menu Nbgrader, Formgrader).
c = get_config()
c.CourseDirectory.root = {folder!r}
c.CourseDirectory.db_url = {database!r}
"""
REFUSED = "not graded.txt"
PAGE_SECONDS = 60  # of computing, for one page of feedback; text can be made to keep a parser busy for hours
COLUMNS = ("assignment", "student", "score", "max_score", "to_grade_by_hand", "submitted", "note")


class Grades:
    """Gradebook and graded notebooks in a folder.

    Parameters
    ----------
    folder : pathlib.Path
    """

    def __init__(self, folder):
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._database = f"sqlite:///{self.folder / 'gradebook.db'}"
        settings = SETTINGS.format(folder=str(self.folder), database=self._database)
        (self.folder / "nbgrader_config.py").write_text(settings, encoding="utf-8")
        # a new gradebook asks the command alembic for its version, and nbgrader's models warn about themselves
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        warnings.filterwarnings("ignore", category=SAWarning)

    def notebook(self, student, stem):
        """Path of a graded notebook."""
        return self.folder / "autograded" / student / stem / f"{stem}.ipynb"

    def digest(self, student, stem):
        """What the stored grade was made from, or None."""
        path = self.notebook(student, stem)
        return nbformat.read(path, as_version=4).metadata.aedyn.digest if path.exists() else None

    def add_assignment(self, assignment):
        """Tell the gradebook the questions and their points."""
        with Gradebook(self._database) as book:
            book.update_or_create_assignment(assignment.stem)
        preprocessors.SaveCells().preprocess(assignment.release, self._resources(".", assignment.stem))

    def save(self, submission, graded):
        """Keep a graded notebook and its automatic scores; scores given by hand stay."""
        student, stem = submission.student, submission.assignment
        submitted = datetime.fromtimestamp(submission.path.stat().st_mtime, UTC).replace(tzinfo=None)
        with Gradebook(self._database) as book:
            book.update_or_create_student(student)
            book.update_or_create_submission(stem, student, timestamp=submitted.isoformat())
        preprocessors.SaveAutoGrades().preprocess(graded, self._resources(student, stem))
        path = self.notebook(student, stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(graded, path)
        (self.folder / "feedback" / student / REFUSED).unlink(missing_ok=True)

    def rows(self):
        """A row of grades.csv for each graded submission."""
        with Gradebook(self._database) as book:
            return [
                {
                    "assignment": assignment.name,
                    "student": submission.student.id,
                    "score": submission.score,
                    "max_score": submission.max_score,
                    "to_grade_by_hand": "yes" if submission.needs_manual_grade else "",
                    "submitted": submission.timestamp.isoformat(" ", "minutes"),
                    "note": "",
                }
                for assignment in book.assignments
                for submission in book.assignment_submissions(assignment.name)
            ]

    def write_table(self, rows):
        """Write grades.csv."""
        with open(self.folder / "grades.csv", "w", newline="", encoding="utf-8-sig") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            for row in sorted(rows, key=lambda row: (row["assignment"], row["student"])):
                table.writerow({name: _no_formula(value) for name, value in row.items()})

    def write_feedback(self, rows, n_jobs):
        """Write a page for each graded submission whose grade or comments changed."""
        pages = []
        for row in rows:
            student, stem = row["student"], row["assignment"]
            graded = nbformat.read(self.notebook(student, stem), as_version=4)
            graded, resources = preprocessors.GetGrades().preprocess(graded, self._resources(student, stem))
            mark = f"<!-- {hashlib.sha256(nbformat.writes(graded).encode()).hexdigest()} -->"
            path = self.folder / "feedback" / student / f"{stem}.html"
            if not (path.exists() and path.read_text(encoding="utf-8").endswith(mark)):
                pages.append((path, graded, resources, mark))
        n_jobs = max(1, min(n_jobs, len(pages) // 4))  # a process takes as long to start as some pages
        Parallel(n_jobs)(delayed(_write_page)(*page) for page in pages)

    def refuse(self, submission):
        """Tell a student why nothing was graded; returns the row of grades.csv."""
        path = self.folder / "feedback" / submission.student / REFUSED
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{submission.note}.\n", encoding="utf-8")
        return dict.fromkeys(COLUMNS, "") | {"student": submission.student, "score": 0.0, "note": submission.note}

    def _resources(self, student, stem):
        return {"nbgrader": {"student": student, "assignment": stem, "notebook": stem, "db_url": self._database}}


def _no_formula(value):
    """Text that a spreadsheet does not take for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def _write_page(path, graded, resources, mark):
    path.parent.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGPROF, _give_up)
    signal.setitimer(signal.ITIMER_PROF, PAGE_SECONDS)
    try:
        page = _page(graded, resources)
    except Exception as error:
        page = f"<p>This page could not be made ({type(error).__name__}); the points are in the table of grades.</p>"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    path.write_text(page + mark, encoding="utf-8")


def _give_up(*_):
    raise TimeoutError


def _page(graded, resources):
    templates = files("nbgrader") / "server_extensions" / "formgrader"
    config = Config()
    config.HTMLExporter.template_name = "feedback"
    config.HTMLExporter.extra_template_basedirs = [str(templates / "templates")]
    config.HTMLExporter.extra_template_paths = [str(templates / "static/node_modules/bootstrap/dist/css")]
    config.Exporter.default_preprocessors = []
    exporter = HTMLExporter(config=config)
    exporter.register_preprocessor(CSSHTMLHeaderPreprocessor, enabled=True)
    return exporter.from_notebook_node(graded, resources)[0]
