"""The built pages, read as files: complete, linked, captioned, and without a request to another host."""

import json
import re
import shutil
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup

from aedyn import claims
from course.assignment import read_all

RESOURCES = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}
LOADED = {"stylesheet", "preload", "modulepreload", "icon"}
OTHER_HOST = re.compile(r"""(?:url\(|@import)\s*['"]?((?:https?:)?//[^'")]+)""")


@pytest.fixture(scope="module")
def pages(html):
    """Each page as a soup, by its path below the root of the book."""
    return {
        path.relative_to(html).as_posix(): BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in sorted(html.rglob("*.html"))
        if "_static" not in path.parts
    }


@pytest.fixture(scope="module")
def notebooks(tree):
    found = {path.stem: path for path in sorted(tree.glob("book/nb/*.ipynb"))}
    assert set(found) == {path.stem for path in tree.glob("notebooks/*.md")}
    return found


def figures(pages):
    return [(name, image) for name, page in pages.items() for image in page.select("article img")]


def test_every_chapter_ran_without_error(notebooks):
    for name, path in notebooks.items():
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code" and cell["source"]]
        assert code and all(cell["execution_count"] for cell in code), name
        assert not [out for cell in code for out in cell["outputs"] if out["output_type"] == "error"], name


def test_every_statement_of_a_chapter_is_checked_in_it(notebooks):
    for name, path in notebooks.items():
        checked = {record["id"] for record in claims.records(path)}
        assert checked == {s.id for s in claims.register().values() if s.chapter == name}, name


def test_wrong_statements_of_a_chapter_are_refuted_with_a_certificate(notebooks):
    for name, path in notebooks.items():
        refuted = {record["id"] for record in claims.records(path) if not record["holds"] and record["certificate"]}
        assert {s.id for s in claims.register().values() if s.chapter == name and s.printed == "wrong"} <= refuted, name


def test_claims_page_shows_every_statement(pages):
    assert {entry.anchor for entry in claims.register().values()} <= {
        box["id"] for box in pages["claims.html"].select(".aedyn-statement")
    }


def test_errata_page_names_every_error(pages):
    text = pages["errata.html"].article.text
    assert [s.id for s in claims.register().values() if not s.expected("printed") and s.id not in text] == []


def test_every_chapter_has_its_card_and_its_notebook(pages, notebooks):
    for name in notebooks:
        card = pages[f"nb/{name}.html"].select_one(".aedyn-card")
        assert "Ran in" in card.text and "smoke" in card.text
        assert card.select_one("a[download]")["href"] == f"../_sources/nb/{name}.ipynb"


def test_local_links_lead_somewhere(html, pages):
    anchors = {
        name: {tag[key] for tag in page.select("[id], a[name]") for key in ("id", "name") if key in tag.attrs}
        for name, page in pages.items()
    }
    dead = []
    for name, page in pages.items():
        for link in page.select("a[href]"):
            url = urlsplit(link["href"])
            if url.scheme or url.netloc or link["href"] in ("", "#"):
                continue
            file = (html / name).parent / unquote(url.path) if url.path else html / name
            target = file.resolve()
            known = anchors.get(target.relative_to(html.resolve()).as_posix()) if target.exists() else None
            if not target.exists() or (url.fragment and known is not None and unquote(url.fragment) not in known):
                dead.append(f"{name}: {link['href']}")
    assert dead == []


def test_no_page_asks_another_host(html, pages):
    asked = []
    for name, page in pages.items():
        asked += [
            f"{name}: {tag}"
            for tag in page.select("link[href]")
            if urlsplit(tag["href"]).netloc and set(tag["rel"]) & {"stylesheet", "preload", "icon", "modulepreload"}
        ]
        asked += [
            f"{name}: {tag}"
            for kind, key in RESOURCES.items()
            for tag in page.select(kind)
            if urlsplit(tag.get(key, "")).netloc
        ]
    for sheet in html.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        asked += [
            f"{sheet.name}: {url}" for url in re.findall(r"""(?:url\(|@import)\s*['"]?((?:https?:)?//[^'")]+)""", text)
        ]
    assert asked == []


def test_every_page_has_a_title(pages):
    assert [name for name, page in pages.items() if name != "index.html" and not page.title.text.strip()] == []


def test_every_image_has_alternative_text(pages):
    assert figures(pages)
    assert [
        f"{name}: {image['src']}"
        for name, image in figures(pages)
        if not image.get("alt", "").strip() or image["alt"].endswith((".png", ".svg"))
    ] == []


def test_every_image_stands_in_a_figure_with_a_caption(pages):
    def caption(image):
        figure = image.find_parent("figure")
        return figure and figure.figcaption and figure.figcaption.text.strip()

    assert [f"{name}: {image['src']}" for name, image in figures(pages) if not caption(image)] == []


def readable(path):
    """The text of a page, a notebook or any other file, and of what is in an archive."""
    if path.suffix == ".zip":
        with tempfile.TemporaryDirectory() as folder:
            shutil.unpack_archive(path, folder)
            return "\n".join(readable(inside) for inside in Path(folder).rglob("*") if inside.is_file())
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".ipynb":
        return "\n".join(cell.source for cell in nbformat.reads(text, 4).cells)
    return BeautifulSoup(text, "html.parser").get_text() if path.suffix == ".html" else text


def test_book_offers_every_assignment_and_none_of_its_solutions(html):
    files = [path for path in html.rglob("*") if path.suffix in {".html", ".ipynb", ".md", ".txt", ".js", ".zip"}]
    assert {path.stem for path in files if path.suffix == ".zip"} == set(read_all())
    text = "\n".join(map(readable, files))
    for assignment in read_all().values():
        telling = [line for line in assignment.secrets if len(line) > 40 and not line.startswith(("from ", "import "))]
        assert len(telling) > 20
        assert [line for line in telling if line in text] == []
