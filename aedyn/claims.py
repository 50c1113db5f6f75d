"""The register of statements, and `check`, by which a chapter reports a verdict.

Every statement of the three papers has an entry in ``aedyn/data/claims/*.yml``. The entry says what the paper prints,
whether the printed form is right, and if not what the right form is. A chapter calls `check` where it has measured the
statement; the call fails when the measurement contradicts the register, and otherwise leaves a record in the executed
notebook, from which the book makes its claims page and its errata.
"""

import html
import json
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from pathlib import Path

import yaml

MIME = "application/vnd.aedyn.claim+json"

PRINTED = {
    "true": "holds as printed",
    "typo": "slip of the pen",
    "wrong": "wrong as printed",
    "asymptotic": "holds asymptotically, no constants given",
    "definition": "definition",
    "conjecture": "conjecture or open question",
    "unreproduced": "experiment that does not come out as described",
}
NOT_RIGHT = ("typo", "wrong", "unreproduced")
FORMS = ("printed", "corrected")
CERTIFICATES = ("closed form", "exact arithmetic", "interval arithmetic")


class ClaimContradicted(AssertionError):
    """A measurement says the opposite of what the register says."""


@dataclass(frozen=True)
class Statement:
    """One registered statement of a paper.

    Attributes
    ----------
    id : str
        Identifier, such as ``dyn-thm3-ii``; its prefix names the paper.
    title : str
        A few plain words, without formulas.
    where : str
        Place in the paper.
    printed : str
        What the printed form is worth, a key of `PRINTED`.
    statement : str
        The statement in our words, Markdown with formulas.
    assumes : tuple of str
        Its assumptions, one each.
    corrected : str
        The right form where the printed one is not right; empty otherwise.
    chapter : str
        Stem of the chapter that checks it; empty when `reason` is given.
    reason : str
        Why it cannot be checked; empty when `chapter` is given.
    """

    id: str
    title: str
    where: str
    printed: str
    statement: str
    assumes: tuple = ()
    corrected: str = ""
    chapter: str = ""
    reason: str = ""

    def __post_init__(self):
        if self.printed not in PRINTED:
            raise ValueError(f"{self.id}: printed must be one of {', '.join(PRINTED)}; got {self.printed!r}")
        if bool(self.chapter) == bool(self.reason):
            raise ValueError(f"{self.id}: give either the chapter that checks it or the reason why none can")
        if self.printed in NOT_RIGHT and not self.corrected:
            raise ValueError(f"{self.id}: the printed form is not right, so the corrected form is needed")

    @property
    def anchor(self):
        """The identifier as an anchor of a page, without dots, which selectors of CSS take for classes."""
        return self.id.replace(".", "-")

    def expected(self, form):
        """Whether the form named is expected to hold."""
        return form == "corrected" or self.printed not in NOT_RIGHT


@cache
def register():
    """All statements by identifier, in the order of the papers.

    Returns
    -------
    dict of str to Statement
    """
    names = {field.name for field in fields(Statement)}
    statements = {}
    for file in sorted(resources.files("aedyn").joinpath("data/claims").iterdir(), key=lambda f: f.name):
        for entry in yaml.safe_load(file.read_text(encoding="utf-8")):
            if unknown := set(entry) - names:
                raise ValueError(f"{file.name}, {entry.get('id')}: unknown fields {sorted(unknown)}")
            if not isinstance(entry.setdefault("assumes", []), list):
                raise ValueError(f"{file.name}, {entry.get('id')}: assumes must be a list; got {entry['assumes']!r}")
            statement = Statement(**entry | {"assumes": tuple(entry["assumes"])})
            if statement.id in statements:
                raise ValueError(f"{file.name}: {statement.id} is registered twice")
            statements[statement.id] = statement
    return statements


def check(identifier, *, measured, bound, holds, form="printed", certificate=""):
    """Report what an experiment says about a registered statement.

    Parameters
    ----------
    identifier : str
        Identifier of a registered statement.
    measured : float or str
        What was measured; a number is shown to four digits.
    bound : float or str
        What the statement says it should be.
    holds : bool
        Whether the measurement agrees with the form tested.
    form : {"printed", "corrected"}
        Which form of the statement was tested.
    certificate : str
        What makes a counterexample more than a simulation, one of `CERTIFICATES`; required when the form fails, except
        for an experiment of the paper, which only another experiment can contradict.

    Raises
    ------
    ValueError
        When the identifier or the form is not known, or a counterexample has no certificate.
    ClaimContradicted
        When the printed form fails though the register calls it right, holds though the register calls it wrong,
        or the corrected form fails.
    """
    statement = _look_up(identifier)
    if form not in FORMS:
        raise ValueError(f"form must be 'printed' or 'corrected'; got {form!r}")
    if form == "corrected" and not statement.corrected:
        raise ValueError(f"{identifier} has no corrected form in the register")
    record = {
        "id": identifier,
        "form": form,
        "holds": bool(holds),
        "certificate": certificate,
        "measured": _text(measured),
        "bound": _text(bound),
    }
    if record["holds"] != statement.expected(form):
        raise ClaimContradicted(
            f"{identifier} ({form} form) was expected to {'hold' if statement.expected(form) else 'fail'}, "
            f"but {'holds' if record['holds'] else 'fails'}: measured {record['measured']}, "
            f"stated {record['bound']}"
        )
    if not record["holds"] and statement.printed != "unreproduced" and certificate not in CERTIFICATES:
        raise ValueError(
            f"{identifier}: a counterexample needs a certificate, one of {', '.join(CERTIFICATES)}; got {certificate!r}"
        )
    _show(statement, record)


def records(notebook):
    """Records that `check` left in an executed notebook.

    Parameters
    ----------
    notebook : str or Path
        File of an executed notebook.

    Returns
    -------
    list of dict
        In the order of the notebook, with the keys ``id``, ``form``, ``holds``, ``certificate``, ``measured``
        and ``bound``.
    """
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    outputs = (output for cell in cells for output in cell.get("outputs", ()))
    return [output["data"][MIME] for output in outputs if MIME in output.get("data", {})]


def verdict(statement, found):
    """What the book can say of a statement, given the records of its checks.

    Parameters
    ----------
    statement : Statement
    found : list of dict
        Records of this statement.

    Returns
    -------
    str
        ``"confirmed"``, ``"confirmed with constants"`` (the corrected form of a statement that is not wrong),
        ``"measured, not proved"`` (a conjecture), ``"refuted"``, ``"corrected"``, ``"refuted, corrected"``,
        ``"not checkable"`` or ``"not yet"``.
    """
    if statement.reason:
        return "not checkable"
    forms = {record["form"] for record in found if record["id"] == statement.id}
    if not forms:
        return "not yet"
    if statement.printed == "conjecture":
        return "measured, not proved"
    if statement.expected("printed"):
        return "confirmed" if "printed" in forms else "confirmed with constants"
    return ", ".join(word for form, word in (("printed", "refuted"), ("corrected", "corrected")) if form in forms)


def _look_up(identifier):
    try:
        return register()[identifier]
    except KeyError:
        raise ValueError(f"no statement {identifier!r} in the register; see aedyn.claims.register()") from None


def _text(value):
    return value if isinstance(value, str) else f"{value:.4g}"


def _show(statement, record):
    from IPython.display import display

    says = f"{record['form']} form {'holds' if record['holds'] else 'fails'}"
    certificate = record["certificate"]
    colour = "#1b7f5c" if record["holds"] else "#b3452c"
    box = (
        f'<div class="aedyn-claim" id="claim-{statement.anchor}-{record["form"]}" '
        f'style="border-left: 4px solid {colour}; padding: 0.3em 0.8em; margin: 0.6em 0">'
        f"<strong>{statement.id}</strong> {html.escape(statement.title)}: <strong>{says}</strong><br>"
        f"measured: {html.escape(record['measured'])}; stated: {html.escape(record['bound'])}"
        f"{certificate and f'; certified by {certificate}'}</div>"
    )
    plain = f"{statement.id}, {says}; measured: {record['measured']}; stated: {record['bound']}"
    display({"text/plain": plain, "text/html": box, MIME: record}, raw=True)
