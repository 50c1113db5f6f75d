"""The built pages in a headless Chromium, from files, with no way to any network."""

import shutil

import pytest

sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
HARMLESS = ("Identifier 'THEBE_JS_URL' has already been declared", "Got invalid theme mode")
PHONE = {"width": 375, "height": 800}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine, so the browser tests cannot run")

FACTS = """async () => {
    await window.MathJax?.startup?.promise;
    const article = document.querySelector("article");
    const prose = article ? article.cloneNode(true) : document.createElement("p");
    prose.querySelectorAll("pre, code, script, mjx-container").forEach(node => node.remove());
    const shown = image => image.decode().then(() => image.naturalWidth > 0, () => false);
    const images = [...document.images];
    const loaded = await Promise.all(images.map(image => { image.loading = "eager"; return shown(image); }));
    return {
        formulas: document.querySelectorAll(".math").length,
        unrendered: [...document.querySelectorAll(".math")].filter(f => !f.querySelector("mjx-container")).length,
        badFormulas: document.querySelectorAll("mjx-merror, [data-mjx-error]").length,
        rawMath: /[$]|\\\\[(\\[]/.test(prose.textContent),
        wideFormulas: [...document.querySelectorAll('mjx-container[display="true"]')]
            .filter(f => f.scrollWidth > f.clientWidth + 8).map(f => f.innerText.replaceAll("\\n", "")),
        missingImages: images.filter((image, i) => !loaded[i]).map(image => image.src),
        width: document.documentElement.scrollWidth,
    };
}"""


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Visitor:
    """A tab that is cut off, and writes down what a page asks for and complains of."""

    def __init__(self, browser, **options):
        self.context = browser.new_context(**options)
        self.context.route("**/*", self.guard)
        self.page = self.context.new_page()
        self.requests, self.complaints = [], []
        self.page.on("pageerror", lambda error: self.complain(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.complain(message.text))

    def guard(self, route):
        if route.request.url.startswith(("file:", "data:", "blob:")):
            route.continue_()
        else:
            self.requests.append(route.request.url)
            route.abort()

    def complain(self, text):
        if not text.startswith(HARMLESS):
            self.complaints.append(text)

    def facts(self, path):
        self.page.goto(path.as_uri())
        return self.page.evaluate(FACTS)


@pytest.fixture(scope="module")
def paths(html):
    return [path for path in sorted(html.rglob("*.html")) if "_static" not in path.parts and path.name != "index.html"]


@pytest.fixture(scope="module")
def desktop(browser, paths):
    """What each page is like on a desktop: facts, requests, complaints."""
    seen = {}
    for path in paths:
        visitor = Visitor(browser, viewport={"width": 1280, "height": 900})
        seen[path.name] = visitor.facts(path) | {"requests": visitor.requests, "complaints": visitor.complaints}
        visitor.context.close()
    return seen


def those_with(seen, key):
    return {name: facts[key] for name, facts in seen.items() if facts[key]}


def test_no_request_leaves(desktop):
    assert those_with(desktop, "requests") == {}


def test_the_visitor_sees_what_must_not_be(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<article>$x$ <b class="math">y</b> <img src="https://example.org/a.png"></article>'
        '<mjx-container display="true" style="display: block; overflow: auto; width: 9px">wide wide</mjx-container>'
        '<div style="width: 3000px">wide</div><script>throw new Error("on purpose")</script>',
        encoding="utf-8",
    )
    visitor = Visitor(browser)
    facts = visitor.facts(page)
    visitor.context.close()
    assert set(visitor.requests) == set(facts["missingImages"]) == {"https://example.org/a.png"}
    assert "on purpose" in visitor.complaints
    assert facts["unrendered"] == 1 and facts["rawMath"] and facts["width"] >= 3000
    assert facts["wideFormulas"] == ["wide wide"]


def test_nothing_complains(desktop):
    assert those_with(desktop, "complaints") == {}


def test_all_mathematics_renders(desktop):
    assert sum(facts["formulas"] for facts in desktop.values()) > 100
    assert (
        those_with(desktop, "unrendered") == those_with(desktop, "badFormulas") == those_with(desktop, "rawMath") == {}
    )


def test_formulas_fit_on_a_desktop(desktop):
    assert those_with(desktop, "wideFormulas") == {}


def test_all_images_show(desktop):
    assert those_with(desktop, "missingImages") == {}


def test_no_page_is_wider_than_a_phone(browser, paths):
    visitor = Visitor(browser, viewport=PHONE, is_mobile=True)
    widths = {path.name: visitor.facts(path)["width"] for path in paths}
    visitor.context.close()
    assert {name: width for name, width in widths.items() if width > PHONE["width"]} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(browser, paths, scheme):
    visitor = Visitor(browser, color_scheme=scheme)
    for path in paths:
        visitor.facts(path)
        ground, text = visitor.page.evaluate(
            """() => ["background-color", "color"].map(name => {
                const parts = getComputedStyle(document.body).getPropertyValue(name).match(/[\\d.]+/g).map(Number);
                return (0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]) / 255;
            })"""
        )
        assert (ground < 0.2 and text > 0.7) if scheme == "dark" else (ground > 0.9 and text < 0.3), path.name
    visitor.context.close()


def test_search_finds_a_word_from_files(browser, html):
    visitor = Visitor(browser)
    visitor.page.goto(f"{(html / 'search.html').as_uri()}?q=dictionary")
    # results appear one after the other
    visitor.page.wait_for_selector('#search-results li a[href*="notation.html"]', timeout=20_000)
    visitor.context.close()
