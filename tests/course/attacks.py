"""What students might hand in to get marks that are not theirs, or to break the grader, and the marks it must get."""

import copy
import json
from pathlib import Path
from typing import NamedTuple

import nbformat
from submissions import is_test, solved, with_answer, with_cell

from course.assignment import grade_id

FULL, NOTHING = 14, 0
MARK_OF_ANNA = "a-line-that-only-anna-wrote"


class Attack(NamedTuple):
    """A notebook, and its marks."""

    notebook: nbformat.NotebookNode
    marks: float


CATCHES = """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
"""
WRITES = """
import os
for end in range(3, 30):
    try:
        os.write(end, {})
    except OSError:
        pass
"""
ELSEWHERE = """
for folder in ("/", "/tmp", "/dev", "/dev/shm", "/usr", "/packages/aedyn"):
    open(f"{folder}/mine", "w")
"""
SCRIPTS = """
from IPython.display import HTML, Javascript, display
display(HTML("<script>alert(1)</script>"), Javascript("alert(1)"))
"""


def cells_that_misbehave(good, port):
    """Good work with one more cell, which costs nothing but itself."""
    codes = {
        "infinite loop": "while True:\n    pass",
        "infinite loop that catches": CATCHES,
        "sleep": "import time\ntime.sleep(10**6)",
        "memory bomb": "held = []\nwhile True:\n    held.append(b'x' * 10**8)",
        "memory bomb in one piece": "np.ones((10**6, 10**6))",
        "fork bomb": "import os\nwhile True:\n    os.fork()",
        "fork bomb by shell": "!bash -c ':(){ :|:& };:'",
        "fork bomb by subprocess": "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'pass'])",
        "output flood": "while True:\n    print('flood' * 1000)",
        "output in one piece": "print('flood' * 10**8)",
        "flood of the connection": WRITES.format("b'x' * 10**8"),
        "forged answer": WRITES.format("b'{\"outputs\": 3}\\n' * 3"),
        "huge file": "with open('huge', 'wb') as file:\n    while True:\n        file.write(b'0' * 2**20)",
        "many files": "for i in range(10**6):\n    open(f'{i}', 'wb').write(b'0' * 2**20)",
        "files elsewhere": ELSEWHERE,
        "network": f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 5)",
        "exit": "import os\nos._exit(0)",
        "polite exit": "import sys\nsys.exit(0)",
        "kill": "import os\nos.kill(os.getpid(), 9)\nos.kill(-1, 9)",
        "crash": "import ctypes\nctypes.string_at(0)",
        "closed connection": "import os\nos.closerange(0, 100)",
        "syntax error": "def broken(:\n    pass",
        "recursion": "import sys\nsys.setrecursionlimit(10**9)\nf = lambda: f()\nf()",
        "half of a surrogate pair": "print(chr(0xD800))\nraise ValueError(chr(0xDFFF))",
        "scripts": SCRIPTS,
    }
    return {name: Attack(with_cell(good, code), FULL) for name, code in codes.items()}


def answers_that_misbehave(good):
    """Good work with one answer that misbehaves when a test calls it."""
    head = "def most_active(c, b, m):\n    "
    codes = {
        "infinite loop in an answer": "while True:\n        pass",
        "exit in an answer": "import os; os._exit(0)",
        "memory bomb in an answer": "return np.ones((10**6, 10**6))",
        "huge answer": "return np.ones((3000, 3000))",
        "answer that is no number": "return lambda: 3",
        "half of a surrogate pair in an answer": "raise ValueError(chr(0xD800))",
        "nested answer": "return ((((3,),),),)",
    }
    return {name: Attack(with_answer(good, "coherent", head + code), FULL - 2) for name, code in codes.items()} | {
        "syntax error in an answer": Attack(
            with_answer(good, "encoder", "def encode(W, b, Y:\n    return 0"), FULL - 5
        ),
        "missing cells of answers": Attack(without(good, lambda cell: grade_id(cell) == "coherent"), FULL - 2),
    }


def without(notebook, unwanted):
    notebook = copy.deepcopy(notebook)
    notebook.cells = [cell for cell in notebook.cells if not unwanted(cell)]
    return notebook


def edited(notebook, change):
    """The notebook with something done to each test cell."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if is_test(cell):
            change(cell)
    return notebook


def swapped(notebook):
    """Grade ids of the test cells in the opposite order, and one of them twice."""
    notebook = copy.deepcopy(notebook)
    tests = [cell for cell in notebook.cells if is_test(cell)]
    names = [grade_id(cell) for cell in tests]
    for cell, name in zip(tests, [*names[:0:-1], names[-1]], strict=True):
        cell.metadata.nbgrader.grade_id = name
    return notebook


def tests_tampered_with(good, untouched):
    """Test cells are edited, deleted, moved; right and wrong answers keep their marks."""

    def pass_always(cell):
        cell.source = "print('Passed, 100 of 100 points.')"
        cell.metadata.nbgrader.points = 100
        cell.outputs = [nbformat.v4.new_output("stream", text="Passed, 100 of 100 points.")]

    def hide(cell):
        cell.metadata = {}

    attacks = {}
    for name, notebook, marks in (("right", good, FULL), ("wrong", untouched, NOTHING)):
        reordered = copy.deepcopy(notebook)
        reordered.cells.sort(key=lambda cell: not is_test(cell))
        attacks |= {
            f"edited tests, {name} answers": Attack(edited(notebook, pass_always), marks),
            f"tests without names, {name} answers": Attack(edited(notebook, hide), marks),
            f"deleted tests, {name} answers": Attack(without(notebook, is_test), marks),
            f"reordered tests, {name} answers": Attack(reordered, marks),
            f"swapped tests, {name} answers": Attack(swapped(notebook), marks),
        }
    return attacks


ALWAYS_EQUAL = """
class Always(np.ndarray):
    def __eq__(self, other): return True
    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    def __sub__(self, other): return self * 0
    __rsub__ = __sub__
    def __array_ufunc__(self, *args, **kwargs): return True
class Equal:
    def __eq__(self, other): return True
    def __float__(self): return 0.0
    def __iter__(self): return iter([Equal()] * 5)
    def __getattr__(self, name): return Equal()
    def __call__(self, *args): return Equal()
"""
PATCHED = """
import builtins, sys, unittest.mock
for name in ("allclose", "isclose", "array_equal", "all", "any"):
    setattr(np, name, lambda *args, **kwargs: True)
for name in ("abs", "subtract", "max", "asarray"):
    setattr(np, name, lambda *args, **kwargs: 0.0)
builtins.AssertionError = type("AssertionError", (BaseException,), {})
builtins.isinstance = lambda *args: True
sys.settrace(lambda *args: None)
def expect_close(*args): pass
expect = expect_share = expect_close
"""
READER = f"""
import os
found = []
for folder in ("/", "..", "/proc/1/root", "/proc/1/cwd", "/proc/self/cwd/.."):
    for place, inside, files in os.walk(folder):
        inside[:] = [name for name in inside if name not in ("proc", "sys", "usr", "lib", "lib64")]
        for file in files:
            if file.endswith((".ipynb", ".md", ".py", ".db", ".csv")):
                text = open(os.path.join(place, file), errors="replace").read()
                if "BEGIN " + "SOLUTION" in text or "{MARK_OF_ANNA[:20]}" + "{MARK_OF_ANNA[20:]}" in text:
                    found.append(text)
print("found", len(found), "files")
for text in found:
    print(text[:5000])
    exec(text, globals())
"""


def lies(untouched):
    """No right answer in them, and no marks for them."""
    names = ("two_units", "encode", "share_exact", "worst_unit", "upper_end", "recovery_rate", "most_active")
    objects = ALWAYS_EQUAL + "".join(f"def {name}(*args): return Equal()\n" for name in names)
    arrays = ALWAYS_EQUAL + "".join(f"def {name}(*args): return np.zeros(5).view(Always)\n" for name in names)
    end = len(untouched.cells)
    return {
        "always equal objects": Attack(with_cell(untouched, objects, end), NOTHING),
        "always equal arrays": Attack(with_cell(untouched, arrays, end), NOTHING),
        "patched numpy and assert": Attack(with_cell(untouched, PATCHED, 2), NOTHING),
        "reader of other files": Attack(with_cell(untouched, READER, end), NOTHING),
    }


def notebooks(assignment, port):
    """All attacks that are notebooks, by name."""
    good, untouched = solved(assignment), assignment.release
    other_kernel = copy.deepcopy(good)
    other_kernel.metadata.kernelspec = {"name": "bash", "display_name": "Bash", "language": "R"}
    odd_names = copy.deepcopy(good)
    odd_names.metadata["aedyn"] = {"assignment": ["code_consistency"]}
    odd_names.cells[0].metadata["nbgrader"] = {"grade_id": ["x"]}
    odd_names.cells[0].attachments = {"x.png": {"text/html": "<script>alert(1)</script>"}}
    script = with_answer(untouched, "proof", "<script>alert(1)</script><img src=x onerror=alert(1)>")
    return (
        {
            "anna": Attack(with_cell(good, f"# {MARK_OF_ANNA}"), FULL),
            "untouched": Attack(untouched, NOTHING),
            "other kernel": Attack(other_kernel, FULL),
            "odd names": Attack(odd_names, FULL),
            "slow text": Attack(with_answer(good, "proof", "[" * 50_000 + "*a **" * 50_000), FULL),
            "=1+1": Attack(good, FULL),
            "proof that is a script": Attack(script, NOTHING),
            "Zoë Müller, 数学 'λ'": Attack(good, FULL),
        }
        | cells_that_misbehave(good, port)
        | answers_that_misbehave(good)
        | tests_tampered_with(good, untouched)
        | lies(untouched)
    )


def write_files_that_are_refused(folder, assignment):
    """Things that are no notebooks, with a word of the reason for each."""
    (folder / "invalid JSON.ipynb").write_text("{", encoding="utf-8")
    (folder / "deep JSON.ipynb").write_text("[" * 10**5, encoding="utf-8")
    (folder / "other JSON.ipynb").write_text("[1, 2]", encoding="utf-8")
    (folder / "empty.ipynb").touch()
    (folder / "bytes.ipynb").write_bytes(bytes(range(256)))
    (folder / "essay.pdf").write_bytes(b"%PDF")
    (folder / "empty folder").mkdir()
    large = with_cell(assignment.release, f"'{'x' * (50 << 20)}'")
    nbformat.write(large, folder / "large.ipynb")
    foreign = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
    nbformat.write(foreign, folder / "foreign.ipynb")
    (folder / "link.ipynb").symlink_to(Path("anna.ipynb"))
    (folder / "twice").mkdir()
    for name in ("first", "second"):
        nbformat.write(assignment.release, folder / "twice" / f"{name}.ipynb")
    odd = json.loads(nbformat.writes(assignment.release))
    odd["cells"][3]["source"] = {"x": 1}
    (folder / "odd cell.ipynb").write_text(json.dumps(odd), encoding="utf-8")
    return {
        "invalid JSON": "JSON", "deep JSON": "valid", "other JSON": "valid", "empty": "JSON", "bytes": "JSON",
        "essay": "not a notebook", "empty folder": "no notebook", "large": "larger than", "foreign": "none of the",
        "link": "link", "twice": "leave one", "odd cell": "valid",
    }  # fmt: skip
