"""What the book adds to Jupyter Book: a card on top of each chapter, and the pages made from the register."""

import html
import json
import os
from collections import Counter
from pathlib import Path

from aedyn_statements import CHAPTERS, VERDICTS, Claims, Errata, Verdicts
from docutils import nodes

from aedyn import claims

UNFOLDED = 4  # verdicts that a card shows without a click


def add_card(app, doctree):
    """Put its card below the title of a chapter."""
    if app.env.docname.startswith(CHAPTERS):
        title = next(doctree.findall(nodes.title))
        card = nodes.raw("", _card(Path(app.env.doc2path(app.env.docname))), format="html")
        title.parent.insert(title.parent.index(title) + 1, card)


def _card(notebook):
    metadata = json.loads(notebook.read_text(encoding="utf-8"))["metadata"]["papermill"]
    return (
        '<aside class="aedyn-card" aria-label="About this chapter">'
        f"<p>Ran in {_duration(metadata['duration'])} when this book was built, at the "
        f"<code>{html.escape(os.environ.get('SETTING', 'paper'))}</code> setting. "
        f'<a href="../_sources/nb/{notebook.name}" download>Download the notebook</a>: '
        "it runs alone after <code>pip install aedyn</code>.</p>"
        f"{_verdicts(claims.records(notebook))}</aside>"
    )


def _duration(seconds):
    minutes, seconds = divmod(max(1, round(seconds)), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _verdicts(records):
    checked = [statement for statement in claims.register().values() if any(r["id"] == statement.id for r in records)]
    if not checked:
        return ""
    counts = Counter(claims.verdict(statement, records) for statement in checked)
    summary = ", ".join(f"{counts[verdict]} {verdict.replace(',', ' and')}" for verdict in VERDICTS if counts[verdict])
    items = "".join(_item(statement, records) for statement in checked)
    unfolded = " open" if len(checked) <= UNFOLDED else ""
    return f"<details{unfolded}><summary>Verdicts: {summary}</summary><ul>{items}</ul></details>"


def _item(statement, records):
    forms = dict.fromkeys(record["form"] for record in records if record["id"] == statement.id)
    links = ", ".join(f'<a href="#claim-{statement.anchor}-{form}">{form} form</a>' for form in forms)
    verdict = claims.verdict(statement, records)
    return f"<li><code>{statement.id}</code> {html.escape(statement.title)}: {verdict} ({links})</li>"


def setup(app):
    app.connect("doctree-read", add_card)
    app.add_directive("verdicts", Verdicts)
    app.add_directive("claims", Claims)
    app.add_directive("errata", Errata)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
