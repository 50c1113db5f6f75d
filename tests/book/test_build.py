"""What `make book` redoes and what it leaves behind when something goes wrong, on a book of two tiny chapters."""

import os
import shutil
import signal
import time

import pytest
import yaml
from book_trees import copy_tree, make, start_make

CHAPTER = """\
---
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Chapter {name}

```{{code-cell}} ipython3
:tags: [parameters]

size = 3
```

```{{code-cell}} ipython3
{code}
```
"""


def write(tree, name, code="print(size)"):
    (tree / f"notebooks/{name}.md").write_text(CHAPTER.format(name=name, code=code), encoding="utf-8")
    (tree / f"notebooks/{name}.smoke.yml").write_text("size: 2\n", encoding="utf-8")


def write_toc(tree, *names):
    parts = [{"caption": "Part", "chapters": [{"file": f"nb/{name}"} for name in names]}]
    toc = {"format": "jb-book", "root": "introduction", "parts": parts}
    (tree / "book/_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")


def notebook(tree, name):
    return tree / f"book/nb/{name}.ipynb"


def page(tree, name):
    return tree / f"_build/html/nb/{name}.html"


def executed(tree):
    """When each chapter was executed."""
    return {name: notebook(tree, name).stat().st_mtime_ns for name in ("one", "two")}


def redone(before, after):
    return {name for name in before if before[name] != after[name]}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    tree = copy_tree(tmp_path_factory.mktemp("small"))
    shutil.rmtree(tree / "notebooks", ignore_errors=True)
    (tree / "notebooks").mkdir()
    (tree / "book/introduction.md").write_text("# Small book\n", encoding="utf-8")
    write(tree, "one")
    write(tree, "two")
    write_toc(tree, "one", "two")
    code, output = make(tree, "book")
    assert code == 0, output
    return tree


@pytest.fixture
def small(built, tmp_path):
    """The small book, built; each test has its own."""
    return shutil.copytree(built, tmp_path / "small")


def test_nothing_is_redone_when_nothing_changed(small):
    before, index = executed(small), (small / "_build/html/index.html").stat().st_mtime_ns
    code, output = make(small, "book")
    assert code == 0
    assert executed(small) == before and (small / "_build/html/index.html").stat().st_mtime_ns == index
    assert "up to date" in output and "_build/html/index.html" in output


def test_failing_chapter_fails_the_build_and_leaves_no_page(small):
    before = executed(small)
    write(small, "two", code='raise ValueError("on purpose")')
    code, output = make(small, "book")
    assert code != 0
    assert "on purpose" in output and "_build/failed/two.ipynb" in output
    assert (small / "_build/failed/two.ipynb").exists()
    assert not notebook(small, "two").exists() and not page(small, "two").exists()

    write(small, "two")
    code, output = make(small, "book")
    assert code == 0, output
    assert page(small, "two").exists() and not (small / "_build/failed/two.ipynb").exists()
    assert redone(before, executed(small)) == {"two"}


def test_killed_build_resumes(small):
    write(small, "two", code="from pathlib import Path\nimport time\nwhile Path('wait').exists():\n    time.sleep(0.1)")
    before = executed(small)
    (small / "notebooks/wait").touch()
    process = start_make(small, "book")
    while not list(small.glob("_build/running/two.*")):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not notebook(small, "two").exists() and not page(small, "two").exists()

    (small / "notebooks/wait").unlink()
    code, output = make(small, "book")
    assert code == 0, output
    assert page(small, "two").exists() and redone(before, executed(small)) == {"two"}


def test_package_is_an_input_of_every_chapter(small):
    before = executed(small)
    (small / "aedyn/claims.py").touch()
    code, output = make(small, "book")
    assert code == 0, output
    assert redone(before, executed(small)) == {"one", "two"}


def test_parameters_of_one_chapter_are_an_input_of_it_alone(small):
    code, output = make(small, "book", "SETTING=smoke")
    assert code == 0, output
    before = executed(small)
    assert '"2\\n"' in notebook(small, "one").read_text(encoding="utf-8")
    (small / "notebooks/one.smoke.yml").write_text("size: 1\n", encoding="utf-8")
    code, output = make(small, "book", "SETTING=smoke")
    assert code == 0, output
    assert redone(before, executed(small)) == {"one"}
    assert '"1\\n"' in notebook(small, "one").read_text(encoding="utf-8")


def test_data_folder_is_an_input_and_absolute(small):
    write(small, "one", code="import os\nprint(os.environ['AEDYN_DATA'])")
    before = executed(small)
    code, output = make(small, "book", "AEDYN_DATA=data")
    assert code == 0, output
    assert redone(before, executed(small)) == {"one", "two"}
    assert f'"{small}/data\\n"' in notebook(small, "one").read_text(encoding="utf-8")


def test_removed_chapter_leaves_no_page(small):
    (small / "notebooks/two.md").unlink()
    write_toc(small, "one")
    code, output = make(small, "book")
    assert code == 0, output
    assert not notebook(small, "two").exists() and not page(small, "two").exists()
    assert page(small, "one").exists()


def test_warning_fails_the_build_also_the_second_time(small):
    (small / "book/introduction.md").write_text("# Small book\n\nSee {ref}`nowhere`.\n", encoding="utf-8")
    for _ in range(2):
        code, output = make(small, "book")
        assert code != 0 and "nowhere" in output
        assert not (small / "_build/html").exists()


def test_old_python_is_named_in_one_sentence(small):
    old = small / "old-python"
    old.write_text(
        '#!/bin/sh\nexec python3 -c "import sys; sys.version_info = (3, 8, 0); exec(sys.argv[1])" "$2"\n',
        encoding="utf-8",
    )
    old.chmod(0o755)
    code, output = make(small, "book", f"PYTHON={old}", venv=None)
    assert code != 0
    assert "aedyn needs Python 3.11 or newer" in output and "is 3.8" in output
