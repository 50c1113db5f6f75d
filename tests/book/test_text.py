"""Text notebooks and prose: canonical form, style, spelling, parameters, table of contents."""

import ast
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted(ROOT.glob("notebooks/*.md"))
BIN = Path(sys.prefix) / "bin"

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)


def run(*command, **options):
    return subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, **options)


@each_chapter
def test_text_notebook_is_canonical(chapter):
    assert jupytext.writes(jupytext.read(chapter), fmt="md:myst") == chapter.read_text(encoding="utf-8")


@each_chapter
def test_code_of_chapter_is_clean(chapter):
    notebook = jupytext.writes(jupytext.read(chapter), fmt="ipynb")
    checked = run("ruff", "check", "--stdin-filename", chapter.with_suffix(".ipynb"), "-", input=notebook)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@each_chapter
def test_smoke_setting_names_parameters_of_the_chapter(chapter):
    cells = jupytext.read(chapter).cells
    (parameters,) = (cell for cell in cells if "parameters" in cell.metadata.get("tags", ()))
    names = {node.id for node in ast.walk(ast.parse(parameters.source)) if isinstance(node, ast.Name)}
    smoke = yaml.safe_load(chapter.with_suffix(".smoke.yml").read_text(encoding="utf-8"))
    assert smoke and set(smoke) <= names


def test_every_chapter_is_in_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "book/_toc.yml").read_text(encoding="utf-8"))
    files = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    assert sorted(f"nb/{chapter.stem}" for chapter in CHAPTERS) == sorted(f for f in files if f.startswith("nb/"))


def test_code_is_clean():
    checked = run("ruff", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_spelling():
    checked = run("codespell")
    assert checked.returncode == 0, checked.stdout + checked.stderr
