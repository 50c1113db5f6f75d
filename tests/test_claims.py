"""Claims: the register, every outcome of a check, the record that it leaves, and a register without gaps."""

import ast
import json
import re
from collections import defaultdict
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import jupytext
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from aedyn import claims
from aedyn.claims import (
    CERTIFICATES,
    MIME,
    NOT_RIGHT,
    PRINTED,
    ClaimContradicted,
    Statement,
    check,
    records,
    register,
    verdict,
)

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
CHAPTERS = (
    "first_look code_consistency descent initialization group_support_recovery group_descent digit_clusters "
    "ntk_bounds joint_training weight_tied_degeneracy"
).split()
WRITTEN = sorted({notebook.stem for notebook in NOTEBOOKS.glob("*.md")} - {"rerunning"})  # which is on no statement


def statement(identifier="dyn-test", **fields):
    given = {"title": "A test", "where": "here", "printed": "true", "statement": "It holds.", "chapter": "descent"}
    return Statement(identifier, **given | fields)


TRUE = statement("dyn-true")
WRONG = statement("dyn-wrong", printed="wrong", corrected="It fails.")
REGISTER = {
    entry.id: entry
    for entry in (
        TRUE,
        WRONG,
        statement("dyn-typo", printed="typo", corrected="It fails."),
        statement("dyn-asymptotic", printed="asymptotic"),
        statement("dyn-definition", printed="definition"),
        statement("dyn-conjecture", printed="conjecture", corrected="It held in all that was measured."),
        statement("dyn-experiment", printed="unreproduced", corrected="It comes out otherwise."),
        statement("dyn-sharper", corrected="It holds with a better constant."),
        statement("dyn-<i>", title="a < b & c"),
    )
}


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(claims, "register", lambda: REGISTER)


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """An IPython that remembers nothing, so that what a check displays can be captured."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        InteractiveShell.clear_instance()
        yield InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
        InteractiveShell.clear_instance()


def outputs_of(*args, **options):
    with capture_output() as captured:
        check(*args, **options)
    return [output.data for output in captured.outputs]


# Statements and the register ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"printed": "maybe"}, "dyn-test: printed must be one of true, typo, wrong, asymptotic, "),
        ({"printed": "unreproduced"}, "dyn-test: the printed form is not right, so the corrected form is needed"),
        ({"chapter": ""}, "dyn-test: give either the chapter that checks it or the reason why none can"),
        ({"reason": "too big"}, "dyn-test: give either the chapter that checks it or the reason why none can"),
        ({"printed": "wrong"}, "dyn-test: the printed form is not right, so the corrected form is needed"),
        ({"printed": "typo"}, "dyn-test: the printed form is not right, so the corrected form is needed"),
    ],
)
def test_statements_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        statement(**fields)


def test_expected_forms():
    expected = {name: (entry.expected("printed"), entry.expected("corrected")) for name, entry in REGISTER.items()}
    assert {expected.pop(name) for name in ("dyn-wrong", "dyn-typo", "dyn-experiment")} == {(False, True)}
    assert set(expected.values()) == {(True, True)}


ENTRY = "- {id: dyn-a, title: t, where: w, printed: wrong, statement: s, corrected: c, chapter: first, assumes: [x, y]}"


@pytest.fixture
def read_register(monkeypatch, tmp_path):
    """Write files of statements, and read them as the register."""
    folder = tmp_path / "data" / "claims"
    folder.mkdir(parents=True)
    monkeypatch.setattr(claims, "resources", SimpleNamespace(files=lambda package: tmp_path))

    def read(**files):
        for name, text in files.items():
            (folder / f"{name}.yml").write_text(text, encoding="utf-8")
        return register.__wrapped__()

    return read


def test_register_reads_its_files_in_order(read_register):
    found = read_register(b=ENTRY.replace("dyn-a", "ntk-a"), a=ENTRY + "\n" + ENTRY.replace("dyn-a", "dyn-0"))
    assert list(found) == ["dyn-a", "dyn-0", "ntk-a"]
    assert found["dyn-a"] == Statement("dyn-a", "t", "w", "wrong", "s", ("x", "y"), "c", "first")


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({"a": ENTRY.replace("where", "place")}, ValueError, "a.yml, dyn-a: unknown fields ['place']"),
        ({"a": ENTRY.replace("where: w, ", "")}, TypeError, "missing 1 required positional argument: 'where'"),
        ({"a": ENTRY, "b": ENTRY}, ValueError, "b.yml: dyn-a is registered twice"),
        ({"a": ENTRY.replace("corrected: c, ", "")}, ValueError, "dyn-a: the printed form is not right"),
        ({"a": ENTRY.replace("[x, y]", "xy")}, ValueError, "a.yml, dyn-a: assumes must be a list"),
    ],
)
def test_register_that_makes_no_sense_is_refused(read_register, files, error, message):
    with pytest.raises(error, match=re.escape(message)):
        read_register(**files)


# Checks ---------------------------------------------------------------------------------------------------------------


CASES = list(product(REGISTER, ["printed", "corrected"], [True, False]))


@pytest.mark.parametrize("certificate", ["", "simulation", *CERTIFICATES])
@pytest.mark.parametrize(("name", "form", "holds"), CASES)
def test_every_outcome_of_a_check(registered, shell, name, form, holds, certificate):
    entry = REGISTER[name]
    right = form == "corrected" or entry.printed not in NOT_RIGHT
    call = {"measured": 1 / 3, "bound": "at most 1", "holds": holds, "form": form, "certificate": certificate}
    if form == "corrected" and not entry.corrected:
        with pytest.raises(ValueError, match=f"^{re.escape(name)} has no corrected form in the register$"):
            outputs_of(name, **call)
    elif holds != right:
        words = ("hold", "fails") if right else ("fail", "holds")
        message = f"{name} ({form} form) was expected to {words[0]}, but {words[1]}: measured 0.3333, stated at most 1"
        with pytest.raises(ClaimContradicted, match=f"^{re.escape(message)}$"):
            outputs_of(name, **call)
    elif not holds and certificate not in CERTIFICATES and entry.printed != "unreproduced":
        message = f"{name}: a counterexample needs a certificate, one of {', '.join(CERTIFICATES)}; got {certificate!r}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            outputs_of(name, **call)
    else:
        (output,) = outputs_of(name, **call)
        assert output[MIME] == call | {"id": name, "measured": "0.3333"}


def test_a_contradiction_is_a_failed_assertion():
    assert issubclass(ClaimContradicted, AssertionError)


def test_unknown_statement_or_form(registered):
    with pytest.raises(ValueError, match=r"^no statement 'dyn-thm99' in the register; see aedyn.claims.register\(\)$"):
        check("dyn-thm99", measured=1, bound=1, holds=True)
    with pytest.raises(ValueError, match="^form must be 'printed' or 'corrected'; got 'right'$"):
        check("dyn-true", measured=1, bound=1, holds=True, form="right")


def test_the_box_says_what_was_found(registered, shell):
    (output,) = outputs_of("dyn-wrong", measured=0.25, bound="<= 1e-3 & so on", holds=False, certificate="closed form")
    assert output["text/plain"] == "dyn-wrong, printed form fails; measured: 0.25; stated: <= 1e-3 & so on"
    assert 'id="claim-dyn-wrong-printed"' in output["text/html"]
    for words in ("printed form fails", "measured: 0.25", "stated: &lt;= 1e-3 &amp; so on", "certified by closed form"):
        assert words in output["text/html"]
    (output,) = outputs_of("dyn-<i>", measured="1 < 2", bound=1, holds=True)
    assert "a &lt; b &amp; c" in output["text/html"] and "measured: 1 &lt; 2; stated: 1" in output["text/html"]
    assert "certified" not in output["text/html"]


def test_a_check_outside_a_notebook_prints(registered, capsys, monkeypatch):
    monkeypatch.setattr(InteractiveShell, "initialized", lambda: False)
    check("dyn-true", measured=1.0, bound=2.0, holds=True)
    assert "printed form holds" in capsys.readouterr().out


# Records and verdicts -------------------------------------------------------------------------------------------------


def test_records_are_read_from_an_executed_notebook(registered, shell, tmp_path):
    shown = outputs_of("dyn-wrong", measured=2, bound=1, holds=False, certificate="exact arithmetic")
    shown += outputs_of("dyn-wrong", measured=2, bound=3, holds=True, form="corrected")
    cells = [
        {"cell_type": "markdown", "source": "text"},
        {"cell_type": "code", "source": "1", "outputs": [{"output_type": "stream", "text": "1"}]},
        {"cell_type": "code", "source": "2", "outputs": [{"data": {"text/plain": "3"}}, {"data": shown[0]}]},
        {"cell_type": "code", "source": "3", "outputs": [{"data": shown[1]}]},
    ]
    (tmp_path / "chapter.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    assert records(tmp_path / "chapter.ipynb") == [
        {
            "id": "dyn-wrong",
            "form": "printed",
            "holds": False,
            "certificate": "exact arithmetic",
            "measured": "2",
            "bound": "1",
        },
        {"id": "dyn-wrong", "form": "corrected", "holds": True, "certificate": "", "measured": "2", "bound": "3"},
    ]


@pytest.mark.parametrize(
    ("entry", "forms", "expected"),
    [
        (statement(chapter="", reason="too big"), [], "not checkable"),
        (TRUE, [], "not yet"),
        (TRUE, ["printed"], "confirmed"),
        (WRONG, [], "not yet"),
        (WRONG, ["printed"], "refuted"),
        (WRONG, ["corrected"], "corrected"),
        (WRONG, ["printed", "corrected"], "refuted, corrected"),
        (WRONG, ["corrected", "printed", "printed"], "refuted, corrected"),
        (REGISTER["dyn-asymptotic"], ["corrected"], "confirmed with constants"),
        (REGISTER["dyn-conjecture"], ["corrected"], "measured, not proved"),
        (REGISTER["dyn-experiment"], ["printed", "corrected"], "refuted, corrected"),
    ],
)
def test_verdicts(entry, forms, expected):
    others = [{"id": "dyn-other", "form": form} for form in ("printed", "corrected")]
    assert verdict(entry, [{"id": entry.id, "form": form} for form in forms] + others) == expected


# The register ---------------------------------------------------------------------------------------------------------


def test_the_register_loads_and_holds_the_dynamics_paper():
    found = register()
    assert {"dyn-eq4", "dyn-thm3-i", "dyn-thm3-ii", "dyn-thm3-iii", "dyn-thm4-iii", "dyn-fig3"} <= set(found)
    for identifier, entry in found.items():
        assert re.fullmatch(r"(dyn|grp|ntk)-[A-Za-z0-9.-]+", identifier)
        assert entry.title and entry.where and entry.statement and "$" not in entry.title
        assert re.fullmatch(r"[a-z][A-Za-z0-9-]+", entry.anchor)
    assert {entry.printed for entry in found.values()} == set(PRINTED)
    assert len({entry.anchor for entry in found.values()}) == len(found)


def test_every_statement_has_a_chapter_or_a_reason():
    assert [entry.id for entry in register().values() if not entry.reason and entry.chapter not in CHAPTERS] == []


def checks_in(notebook):
    """Forms checked, by statement, as they are written in the code cells of a chapter, also in loops over them."""
    found = defaultdict(set)
    for cell in jupytext.read(notebook).cells:
        if cell.cell_type == "code":
            tree = ast.parse(TransformerManager().transform_cell(cell.source))
            loops = [node for node in ast.walk(tree) if isinstance(node, ast.For)]
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "check":
                    options = {word.arg: word.value for word in node.keywords}
                    written = node.args[0], options.get("form", ast.Constant("printed"))
                    rounds = [names for loop in loops if node in ast.walk(loop) for names in names_in_rounds(loop)]
                    for names in rounds or [{}]:
                        identifier, form = (names.get(ast.unparse(value), value) for value in written)
                        found[getattr(identifier, "value", None)].add(getattr(form, "value", None))
    return found


def names_in_rounds(loop):
    """What the names of a loop stand for in each of its rounds, where both are written out."""
    names = [ast.unparse(name) for name in getattr(loop.target, "elts", [loop.target])]
    return [
        dict(zip(names, getattr(values, "elts", [values]), strict=True)) for values in getattr(loop.iter, "elts", [])
    ]


def lacking(entry, forms):
    """Forms still to be checked; where the printed form is right, its correction is a sharper one and will do."""
    if entry.printed in NOT_RIGHT:
        return ({"printed", "corrected"} if entry.printed == "wrong" else {"corrected"}) - forms
    return set() if forms else {"printed"}


def test_every_notebook_is_a_chapter():
    assert WRITTEN and set(WRITTEN) <= set(CHAPTERS)


@pytest.mark.parametrize("chapter", WRITTEN)
def test_a_chapter_that_is_written_checks_all_its_statements(chapter):
    found = checks_in(NOTEBOOKS / f"{chapter}.md")
    assert found, "at least one check was read"
    missing = [
        f"{entry.id} ({form} form)"
        for entry in register().values()
        for form in sorted(lacking(entry, found[entry.id]))
        if entry.chapter == chapter
    ]
    assert not missing, f"{chapter} lacks checks of {', '.join(missing)}"


def test_a_missing_check_would_be_noticed(tmp_path):
    (tmp_path / "chapter.md").write_text(
        "---\nkernelspec: {name: python3, display_name: Python 3}\n---\n\n"
        "```{code-cell} ipython3\n:tags: [hide-input]\n\n%time x = 1\n"
        'claims.check("dyn-a", measured=x, bound=1, holds=True)\n'
        'check(\n    "dyn-b", holds=True, form="corrected", measured=x, bound=1\n)\n'
        'if x:\n    claims.check("dyn-b", measured=x, bound=1, holds=False)\n'
        'for name, form, x in (("dyn-d", "printed", 1), ("dyn-e", "corrected", 2)):\n'
        "    claims.check(name, form=form, measured=x, bound=1, holds=x > 0)\n"
        '```\n\nText about check("dyn-c").\n',
        encoding="utf-8",
    )
    assert checks_in(tmp_path / "chapter.md") == {
        "dyn-a": {"printed"}, "dyn-b": {"printed", "corrected"}, "dyn-d": {"printed"}, "dyn-e": {"corrected"}
    }  # fmt: skip
    assert lacking(WRONG, set()) == {"printed", "corrected"} and lacking(WRONG, {"printed"}) == {"corrected"}
    assert lacking(TRUE, set()) == {"printed"} and lacking(TRUE, {"printed"}) == set()
