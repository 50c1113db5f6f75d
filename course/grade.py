"""Grade a folder of submissions: ``python -m course.grade folder``."""

import argparse
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from pathlib import Path

import nbformat
from joblib import Parallel, delayed
from tqdm import tqdm

from course.assignment import grade_id, read_all
from course.collect import collect
from course.gradebook import Grades
from course.sandbox import Limits, SandboxUnavailable, check_available
from course.student import Failed, Student, failure, images

# What a browser takes for a tag: a proof needs none, and in pages that others open it could hold a script. With a space
# it is text, and "a<b" in a formula stays what it was.
TAG = re.compile(r"<(?=[A-Za-z/!?])")


def digest(submission, assignment, limits):
    """What a grade depends on."""
    parts = (assignment.digest, repr(asdict(limits)), nbformat.writes(submission.notebook))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def restore(submitted, assignment):
    """The submitted cells, with what the release says about them: locked cells are as released, missing ones come back.

    Metadata of the submission is not used, except for the grade ids by which its cells are recognised.
    """
    missing = dict(assignment.marked)
    cells = []
    for cell in submitted.cells:
        released = missing.pop(grade_id(cell), None)
        if released is None:
            kind, text, metadata = cell.cell_type, cell.source, {}
        else:
            marks = released.metadata.nbgrader
            kind, metadata = released.cell_type, {"nbgrader": dict(marks)}
            text = released.source if marks.locked else cell.source
        cells.append(_cell(kind, text, metadata, cell.get("attachments")))
    for released in missing.values():
        if released.metadata.nbgrader.grade:
            cells.append(_cell(released.cell_type, released.source, {"nbgrader": dict(released.metadata.nbgrader)}))
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": assignment.source.metadata.kernelspec})


def _cell(kind, text, metadata, attachments=None):
    if kind == "code":
        return nbformat.v4.new_code_cell(text, metadata=metadata)
    cell = nbformat.v4.new_markdown_cell(TAG.sub("< ", text), metadata=metadata)
    if attachments:
        cell.attachments = {name: images(data) for name, data in attachments.items()}
    return cell


def grade(notebook, assignment, seed, limits, **options):
    """Execute the cells in a sandbox and run the tests outside of it; outputs are written into the notebook.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        From `restore`.
    assignment : Assignment
    seed : int
        Seed of the inputs of the tests.
    limits : Limits
    **options
        Passed on to Sandbox.
    """
    tests = {grade_id(cell): cell for cell in notebook.cells if grade_id(cell) in assignment.tests}
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and grade_id(cell) not in tests]
    student = Student([cell.source for cell in code], limits, **options)
    try:
        try:
            student.run()
        except Failed as failed:
            student.outputs[0] = [failure("NotRun", str(failed))]
        for index, cell in enumerate(code):
            cell.outputs = nbformat.from_dict(student.outputs.get(index, []))
        for position, name in enumerate(assignment.tests):
            tests[name].outputs = nbformat.from_dict(assignment.run_test(name, student, [seed, position]))
    finally:
        student.close()
    return notebook


def make_warm(assignments, folder, limits, **options):
    """Fill a folder with compiled code and fonts by running the solutions, which are trusted."""
    for assignment in assignments.values():
        code = [cell.source for cell in assignment.source.cells if cell.cell_type == "code"]
        student = Student(code, limits, warm=folder, fill=True, **options)
        student.run()
        student.close()


def _grade_one(submission, assignment, mark, limits, options):
    """A graded notebook, or the reason why there is none."""
    try:
        seed = int(mark[:8], 16)
        notebook = grade(restore(submission.notebook, assignment), assignment, seed, limits, **options)
        notebook.metadata["aedyn"] = {"assignment": assignment.stem, "digest": mark}
        return submission, notebook
    except Exception as error:
        return replace(submission, refused=f"stopped the grader ({type(error).__name__}: {error})"), None


def grade_folder(folder, grades, limits, *, n_jobs, isolated=True, progress=True):
    """Grade all submissions in a folder that are new or changed.

    Returns
    -------
    rows : list of dict
        What stands in grades.csv.
    n_graded : int
        Submissions that were graded now.
    """
    assignments = read_all()
    submissions = collect(folder, assignments)
    accepted = [one for one in submissions if not one.refused]
    refused = [one for one in submissions if one.refused]
    for stem in {one.assignment for one in accepted}:
        grades.add_assignment(assignments[stem])
    marks = {id(one): digest(one, assignments[one.assignment], limits) for one in accepted}
    new = [one for one in accepted if grades.digest(one.student, one.assignment) != marks[id(one)]]
    with tempfile.TemporaryDirectory() as warm:
        options = {"warm": Path(warm), "isolated": isolated}
        if new:
            make_warm(
                {one.assignment: assignments[one.assignment] for one in new}, Path(warm), limits, isolated=isolated
            )
        jobs = [delayed(_grade_one)(one, assignments[one.assignment], marks[id(one)], limits, options) for one in new]
        done: Iterable = Parallel(n_jobs, prefer="threads", return_as="generator_unordered")(jobs)
        for submission, notebook in tqdm(done, "grading", total=len(new), disable=not progress):
            if notebook is not None:
                grades.save(submission, notebook)
            else:
                refused.append(submission)
    current = {(one.assignment, one.student) for one in accepted}
    rows = [row for row in grades.rows() if (row["assignment"], row["student"]) in current]
    grades.write_feedback(rows, n_jobs)
    rows += [grades.refuse(one) for one in refused]
    grades.write_table(rows)
    return rows, len(new)


def main():
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m course.grade", description=__doc__)
    parser.add_argument("submissions", type=Path, help="folder of notebooks, or of a folder for each student")
    parser.add_argument("--grades", type=Path, help="folder of the results (default: the submissions' with -graded)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="submissions at a time (default: processors)")
    parser.add_argument("--sandbox", choices=("on", "off"), default="on", help="off runs submissions unprotected")
    for field in fields(Limits):
        kind = type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default, help="%(default)s")
    asked = parser.parse_args()
    if not asked.submissions.is_dir():
        sys.exit(f"There is no folder {asked.submissions}")
    if asked.sandbox == "on":
        try:
            check_available()
        except SandboxUnavailable as reason:
            sys.exit(
                f"Submissions are not graded without a sandbox, and there is none: {reason}.\n"
                "Install bubblewrap (Debian and Ubuntu: apt-get install bubblewrap), or, only if you trust every line "
                "that was handed in, add SANDBOX=off."
            )
    limits = Limits(**{field.name: getattr(asked, field.name) for field in fields(Limits)})
    folder = asked.submissions.resolve()
    grades = Grades(asked.grades or folder.with_name(f"{folder.name}-graded"))
    rows, n_graded = grade_folder(folder, grades, limits, n_jobs=asked.jobs, isolated=asked.sandbox == "on")
    summarise(rows, n_graded, grades.folder)


def summarise(rows, n_graded, folder):
    """Print what was done."""
    width = max((len(row["student"]) for row in rows), default=0)
    for row in sorted(rows, key=lambda row: (row["assignment"], row["student"])):
        score = f"{row['score']:5.1f} of {row['max_score']:g}" if row["assignment"] else "not graded"
        more = "rest by hand" if row["to_grade_by_hand"] else row["note"]
        print(f"{row['student']:{width}}  {row['assignment']:24} {score}  {more}".rstrip())
    refused = sum(not row["assignment"] for row in rows)
    print(f"{n_graded} graded now, {len(rows) - n_graded - refused} as before, {refused} not graded. See {folder}")


if __name__ == "__main__":
    main()
