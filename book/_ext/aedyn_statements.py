"""Directives that print the register of statements with the verdicts of the executed chapters."""

from collections import Counter

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from aedyn import claims

CHAPTERS = "nb/"
PARTS = {"dyn": "Part I", "grp": "Part II", "ntk": "Part III"}
VERDICTS = (
    "confirmed",
    "confirmed with constants",
    "measured, not proved",
    "refuted, corrected",
    "corrected",
    "refuted",
    "not checkable",
    "not yet",
)


class StatementDirective(SphinxDirective):
    """What the directives share: the records of the chapters, and the pieces of a box."""

    def records(self):
        """Records of all chapters by identifier of the statement; each names the page it is on."""
        found = {}
        for docname in sorted(name for name in self.env.found_docs if name.startswith(CHAPTERS)):
            notebook = self.env.doc2path(docname)
            self.env.note_dependency(notebook)
            for record in claims.records(notebook):
                found.setdefault(record["id"], []).append(record | {"docname": docname})
        return found

    def markdown(self, *blocks):
        """Nodes of blocks of Markdown."""
        lines = StringList("\n\n".join(blocks).splitlines(), self.get_source_info()[0])
        box = nodes.Element()
        self.state.nested_parse(lines, self.content_offset, box)
        return box.children

    def labelled(self, label, text):
        """Nodes of Markdown behind a bold label; a displayed formula begins below it."""
        return self.markdown(f"**{label}.**", text) if text.startswith("$$") else self.markdown(f"**{label}.** {text}")

    def link(self, text, docname, anchor=""):
        page = self.env.app.builder.get_relative_uri(self.env.docname, docname)
        return nodes.reference("", text, internal=True, refuri=page + (anchor and f"#{anchor}"))

    def head(self, identifier, statement, mark):
        """First line of a box: identifier, title, place in the paper, and a mark coloured by what it says."""
        colour = f"aedyn-{mark.split()[0].rstrip(',')}"
        parts = (
            identifier,
            nodes.strong("", statement.title),
            nodes.inline("", statement.where, classes=["aedyn-where"]),
            nodes.inline("", mark, classes=["aedyn-mark", colour]),
        )
        spaced = [node for part in parts for node in (part, nodes.Text(" "))]
        return nodes.paragraph("", "", *spaced, classes=["aedyn-head"])

    def results(self, statement, records):
        """A line for each check: what was measured, against what, and where."""
        lines = []
        for record in records:
            says = f"{record['form']} form {'holds' if record['holds'] else 'fails'}"
            link = self.link(says, record["docname"], f"claim-{statement.anchor}-{record['form']}")
            text = f"; measured: {record['measured']}; stated: {record['bound']}"
            certificate = record["certificate"] and f"; certified by {record['certificate']}"
            lines.append(nodes.paragraph("", "", link, nodes.Text(text + certificate), classes=["aedyn-result"]))
        return lines


class Verdicts(StatementDirective):
    """Table of how many statements of each part have which verdict."""

    def run(self):
        records = self.records()
        counts = {part: Counter() for part in PARTS}
        for identifier, statement in claims.register().items():
            counts[identifier.split("-")[0]][claims.verdict(statement, records.get(identifier, ()))] += 1
        rows = [
            ("verdict", *PARTS.values()),
            (":--", *["--:"] * len(PARTS)),
            *((verdict, *(counts[part][verdict] for part in PARTS)) for verdict in VERDICTS),
            ("all", *(counts[part].total() for part in PARTS)),
        ]
        return self.markdown("\n".join(f"| {' | '.join(map(str, row))} |" for row in rows))


class Claims(StatementDirective):
    """All statements of one paper, chapter by chapter; the argument is the prefix of their identifiers."""

    required_arguments = 1

    def run(self):
        records = self.records()
        chapters = {}
        for identifier, statement in claims.register().items():
            if identifier.startswith(f"{self.arguments[0]}-"):
                box = self.statement(statement, records.get(identifier, ()))
                chapters.setdefault(statement.chapter, []).append(box)
        if not chapters:
            return self.markdown("The statements of this paper are still to come.")
        ordered = sorted(chapters, key=lambda chapter: not chapter)  # those that no chapter can check come last
        return [node for chapter in ordered for node in (self.heading(chapter), *chapters[chapter])]

    def heading(self, chapter):
        if not chapter:
            return nodes.rubric("", "Not checkable as stated")
        docname = f"{CHAPTERS}{chapter}"
        if docname not in self.env.found_docs:
            return nodes.rubric("", f"Chapter {chapter} (to come)")
        return nodes.rubric("", "", self.link(f"Chapter {chapter}", docname))

    def statement(self, statement, records):
        domain = self.env.get_domain("std")
        domain.note_hyperlink_target(statement.id.lower(), self.env.docname, statement.anchor, statement.id)
        box = nodes.container(ids=[statement.anchor], classes=["aedyn-statement"])
        box += self.head(nodes.literal("", statement.id), statement, claims.verdict(statement, records))
        box += self.markdown(statement.statement)
        if statement.assumes:
            items = ("- " + assumption.strip().replace("\n", "\n  ") for assumption in statement.assumes)
            box += self.markdown("**Assumes**", "\n".join(items))
        if statement.corrected:
            box += self.labelled("Made precise" if statement.expected("printed") else "Corrected", statement.corrected)
        if statement.reason:
            box += self.labelled("Not checkable", statement.reason)
        box += self.results(statement, records)
        return box


class Errata(StatementDirective):
    """Statements that are not right as printed: those checked, with their counterexamples, then the others."""

    def run(self):
        records = self.records()
        errors = [s for s in claims.register().values() if not s.expected("printed")]
        checked = [self.erratum(s, records[s.id]) for s in errors if s.id in records]
        waiting = [self.item(s) for s in errors if s.id not in records]
        if waiting:
            checked += [nodes.rubric("", "Waiting for their chapter"), nodes.bullet_list("", *waiting)]
        return checked

    def erratum(self, statement, records):
        box = nodes.container(classes=["aedyn-statement"])
        box += self.head(self.entry(statement), statement, claims.PRINTED[statement.printed])
        box += self.labelled("As printed", statement.statement)
        box += self.labelled("Corrected", statement.corrected)
        box += self.results(statement, records)
        return box

    def item(self, statement):
        text = nodes.Text(f" {statement.title} ({claims.PRINTED[statement.printed]})")
        return nodes.list_item("", nodes.paragraph("", "", self.entry(statement), text))

    def entry(self, statement):
        return self.link(statement.id, "claims", statement.anchor)
