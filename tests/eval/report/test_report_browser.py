"""The page in a real headless Chromium: layout, colours, search, keyboard, Korean, paper."""

import json
import shutil
import subprocess
import unicodedata
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from compared_runs import beside, right_answers, write_answers
from needs import lacking
from playwright.sync_api import expect, sync_playwright
from report_dirty import KOREAN, TASKS, TEXTS, dirty_run
from report_run import write_run

from eval.report import report
from eval.report.compared import compared_page
from eval.report.sections import answers

CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    lacking("no chromium: make system installs it")

FLAGS = (
    "--no-sandbox",  # tests run as root in a container
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# (number of visible text nodes, texts whose colours are too near each other)
CONTRAST = """() => {
  const parse = (value) => (value.match(/[\\d.]+/g) || []).map(Number);
  const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
      if (a === 1) return [r, g, b];
      if (a !== 0) throw Error("a background that is half transparent is not judged here");
    }
    return parse(getComputedStyle(document.documentElement).backgroundColor);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const bad = [];
  let count = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility() || element.closest("title, desc, option")) continue;
    const style = getComputedStyle(element);
    const colour = parse(element.closest("svg") ? style.fill : style.color);
    const [low, high] = [luminance(colour), luminance(behind(element))].sort((a, b) => a - b);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (high + 0.05) / (low + 0.05);
    count += 1;
    if (ratio < (large ? 3 : 4.5)) bad.push([node.data.slice(0, 40), element.className, ratio]);
  }
  return [count, bad];
}"""
# Texts that stick out of the window, those apart that lie in a region of their own that scrolls.
OVERFLOW = """() => {
  const wide = document.documentElement.clientWidth;
  const out = [];
  for (const element of document.body.querySelectorAll("*")) {
    if (element.closest(".scroll, .skip, svg, select") || !element.checkVisibility()) continue;
    const box = element.getBoundingClientRect();
    if (box.width && (box.right > wide + 0.5 || box.left < -0.5)) {
      out.push([element.tagName, element.className, box.left, box.right]);
    }
  }
  return [document.documentElement.scrollWidth - wide, out];
}"""
# (number of Korean words of at most 8 syllables, those that lie on more than one line)
BROKEN_WORDS = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const broken = [];
  let count = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.parentElement.checkVisibility() || node.parentElement.closest("svg, option")) continue;
    for (const found of node.data.matchAll(/(?<![^\\s])[가-힣]{2,8}[.,?!]?(?![^\\s])/g)) {
      const range = new Range();
      range.setStart(node, found.index);
      range.setEnd(node, found.index + found[0].length);
      const tops = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      count += tops.size > 0;
      if (tops.size > 1) broken.push(found[0]);
    }
  }
  return [count, broken];
}"""
# Pixels of texts drawn in the page's font for Korean, as one string each.
GLYPHS = """(texts) => {
  const family = getComputedStyle(document.querySelector(".text:lang(ko)")).fontFamily;
  return texts.map((text) => {
    const canvas = new OffscreenCanvas(64, 64);
    const context = canvas.getContext("2d");
    context.font = `48px ${family}`;
    context.fillText(text, 4, 52);
    return Array.from(context.getImageData(0, 0, 64, 64).data).filter((_, i) => i % 4 === 3).join();
  });
}"""


class Opened:
    """A page in the browser, with what it said and what it asked for."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url = page, url
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def shown(self) -> list[str]:
        """The texts of the samples that are visible."""
        return [article.text_content() for article in self.page.locator(".sample:visible").all()]

    def status(self) -> str:
        return self.page.locator("#matches").text_content()


@pytest.fixture(scope="module")
def report_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tmp_path_factory.mktemp("dirty"), per_task=12)


def write_report(folder: Path, *, per_task: int) -> Path:
    parents = write_run(folder, dirty_run(per_task=per_task))
    page, _ = report.render(report.read_contents(folder, parents), "감성과 번역")
    (folder / "index.html").write_text(page, encoding="utf-8")
    return folder / "index.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def visit(browser: Any, report_file: Path) -> Iterator[Callable[..., Opened]]:
    """Open the page in a fresh profile; at the end nothing was logged and nothing but the page was read."""
    opened: list[tuple[Any, Opened]] = []

    def visited(
        width: int = 1440, height: int = 900, *, scheme: str = "light", fragment: str = "", **options: Any
    ) -> Opened:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            reduced_motion="reduce",
            **options,
        )
        found = Opened(context.new_page(), report_file.as_uri())
        found.page.goto(found.url + fragment)
        opened.append((context, found))
        return found

    yield visited
    for context, found in opened:
        context.close()
        assert found.said == []
        assert set(found.asked) <= {found.url}


@pytest.mark.parametrize("width", [1440, 390, 320])
def test_nothing_sticks_out(visit: Callable[..., Opened], width: int) -> None:
    too_wide, out = visit(width, 844).page.evaluate(OVERFLOW)
    assert (too_wide, out[:5]) == (0, [])


def test_the_summary_is_one_screen(visit: Callable[..., Opened]) -> None:
    page = visit().page
    assert page.locator(".goal").count() == 2
    box = page.locator("#summary").bounding_box()
    assert box["y"] + box["height"] <= 900
    assert page.locator("#summary").get_by_text("a small corpus, not a language").is_visible()


def test_a_long_table_scrolls_inside_and_keeps_its_head(visit: Callable[..., Opened]) -> None:
    page = visit().page
    table = page.get_by_role("region", name="Sources: every record")
    assert table.bounding_box()["height"] <= 34 * 16 + 1
    table.focus()
    page.keyboard.press("PageDown")
    page.wait_for_function("(region) => region.scrollTop > 200", arg=table.element_handle())
    head, region = table.locator("thead th").first.bounding_box(), table.bounding_box()
    assert abs(head["y"] - region["y"]) < 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_told_from_what_is_behind_them(visit: Callable[..., Opened], scheme: str) -> None:
    page = visit(scheme=scheme).page
    count, bad = page.evaluate(CONTRAST)
    assert count > 500
    assert bad == []


def test_the_theme_can_be_chosen_and_is_kept(visit: Callable[..., Opened]) -> None:
    page = visit(scheme="light").page
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    button = page.get_by_role("button", name="Theme")
    button.click()
    assert (button.text_content(), page.evaluate(paper)) == ("Theme: light", light)
    button.click()
    assert button.text_content() == "Theme: dark"
    assert page.evaluate(paper) != light
    assert page.evaluate(CONTRAST)[1] == []
    page.reload()
    assert button.text_content() == "Theme: dark"
    assert page.evaluate(paper) != light
    button.click()
    assert (button.text_content(), page.evaluate(paper)) == ("Theme: auto", light)


def test_headings_and_landmarks(visit: Callable[..., Opened]) -> None:
    page = visit().page
    levels = page.locator("h1, h2, h3, h4").evaluate_all("all => all.map((one) => Number(one.tagName[1]))")
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for role in ("banner", "navigation", "main", "search", "contentinfo"):
        assert page.get_by_role(role).count() == 1, role
    assert page.get_by_role("heading", level=1).text_content() == "감성과 번역"
    for link in page.get_by_role("navigation").get_by_role("link").all():
        link.click()
        target = page.locator(link.get_attribute("href"))
        at_end = page.evaluate("scrollY + innerHeight >= document.documentElement.scrollHeight - 1")
        assert at_end or -1 <= target.bounding_box()["y"] <= 120, link.text_content()


def test_figures_and_fields_have_names(visit: Callable[..., Opened]) -> None:
    page = visit().page
    figures = page.locator("figure svg")
    titles = figures.evaluate_all("all => all.map((one) => one.querySelector('title').textContent)")
    assert len(titles) > 10
    assert page.get_by_role("img").count() == len(titles)  # and no other image
    for title in set(titles):
        assert page.get_by_role("img", name=title).count() >= titles.count(title)
    for name in ("Search", "Task", "Outcome"):
        assert page.get_by_label(name).count() >= 1


def test_search_finds_korean_however_it_is_typed(visit: Callable[..., Opened]) -> None:
    opened = visit()
    page, query = opened.page, opened.page.locator("#query")
    everything = opened.status()
    for word in ("풀어쓴", "도서관에서"):
        found = set()
        for form in ("NFC", "NFD"):
            query.fill(unicodedata.normalize(form, word))
            texts = opened.shown()
            assert texts
            assert all(word in unicodedata.normalize("NFC", text) for text in texts)
            found.add(opened.status())
        assert len(found) == 1
    query.fill("도서관에서 SCRIPT")  # both words, in any case
    assert all("도서관에서" in text and "script" in text for text in opened.shown())
    assert page.evaluate("CSS.highlights.get('found').size") > 0
    query.fill("없는말없는말")
    assert opened.shown() == []
    assert opened.status() == "No sample matches “없는말없는말”."
    assert page.locator("#answers h3:visible").count() == 0
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function(
        "(text) => document.getElementById('matches').textContent === text", arg=everything
    )


def test_a_match_in_a_folded_text_is_unfolded(visit: Callable[..., Opened]) -> None:
    opened = visit()
    assert opened.page.locator("details.folded[open]").count() == 0
    opened.page.locator("#query").fill("a1b2c3" * 50)
    assert opened.page.locator(".sample:visible details.folded[open]").count() > 0
    opened.page.locator("#query").fill("대한민국대한민국")  # the second reference of every sample
    assert opened.page.locator(".sample:visible details:not(.folded)[open]").count() == len(opened.shown())


def test_what_the_reader_opened_stays_open(visit: Callable[..., Opened]) -> None:
    opened = visit()
    page = opened.page
    group = page.locator("section.task-answers", has_text=TASKS[0])
    further = group.locator(".sample:visible details:not(.folded)").first
    further.locator("summary").first.click()
    group.get_by_role("button", name="Show 7 more of 7").click()
    assert further.get_attribute("open") is not None
    page.locator("#query").fill("대한민국대한민국")  # opens the others too
    count = page.locator(".sample:visible details:not(.folded)[open]").count()
    assert count == len(opened.shown()) > 1
    page.locator("#query").fill("")
    assert page.locator(".sample details[open]").count() == 1
    assert further.get_attribute("open") is not None


def test_what_the_reader_folds_after_a_search_stays_folded(visit: Callable[..., Opened]) -> None:
    page = visit().page
    page.locator("#query").fill("대한민국대한민국")
    further = page.locator(".sample:visible details:not(.folded)").first
    further.locator("summary").first.click()
    page.get_by_role("button", name="Show 7 more of 7").first.click()
    assert further.get_attribute("open") is None


def test_no_step_of_typing_korean_empties_the_list(visit: Callable[..., Opened]) -> None:
    opened = visit()
    page, query = opened.page, opened.page.locator("#query")
    query.focus()
    keyboard = page.context.new_cdp_session(page)
    # As a keyboard with two sets composes 도서관에서: a final consonant may be the next syllable's first.
    for typed in ("ㄷ", "도", "돗", "도서", "도석", "도서고", "도서과", "도서관", "도서관ㅇ", "도서관에"):
        keyboard.send(
            "Input.imeSetComposition", {"text": typed, "selectionStart": len(typed), "selectionEnd": 0}
        )
        assert query.input_value() == typed
        assert any("도서관에서" in text for text in opened.shown()), typed
    keyboard.send("Input.insertText", {"text": "도서관엣"})  # ends the composition: now it is meant
    expect(page.locator("#matches")).to_contain_text("No sample matches")
    assert opened.shown() == []


def test_search_finds_ids_and_labels(visit: Callable[..., Opened]) -> None:
    opened = visit()
    opened.page.locator("#query").fill("파일 3.tsv:7.0")
    assert opened.status() == "1 of 124 samples match, 1 shown."
    opened.page.locator("#query").fill("파일 3.tsv 부정")  # a label that was given, in no text
    assert opened.status() == "12 of 124 samples match, 5 shown."


def test_filters_by_task_and_outcome(visit: Callable[..., Opened]) -> None:
    opened = visit()
    page = opened.page
    page.locator("#task").select_option(label=TASKS[1])
    assert len(opened.shown()) == 12
    assert page.locator("#answers h3:visible").all_text_contents() == [f"{TASKS[1]} 12 samples"]
    outcomes = {"right": 8, "wrong": 4, "changed": 8, "better": 8, "worse": 0}
    for outcome, count in outcomes.items():
        page.locator("#outcome").select_option(outcome)
        assert len(opened.shown()) == count, outcome
    assert opened.status() == "No sample matches these filters."
    page.locator("#outcome").select_option("right")
    assert all("label 긍정, right" in text for text in opened.shown())


def test_more_of_a_task_is_shown_on_request(visit: Callable[..., Opened]) -> None:
    opened = visit()
    group = opened.page.locator("section.task-answers", has_text=TASKS[0])
    assert group.locator(".sample:visible").count() == 5
    group.get_by_role("button", name="Show 7 more of 7").click()
    assert group.locator(".sample:visible").count() == 12
    assert opened.page.evaluate("document.activeElement.className") == "sample"  # the first new one
    assert group.get_by_role("button").count() == 0


def test_an_address_that_names_a_hidden_sample_shows_it(visit: Callable[..., Opened]) -> None:
    anchor = visit().page.locator(".sample").nth(11).get_attribute("id")
    page = visit(fragment=f"#{anchor}").page
    assert page.locator(f"#{anchor}").is_visible()
    assert page.evaluate("document.activeElement.id") == anchor
    page.locator("#query").fill("없는말없는말")
    page.evaluate("(id) => { location.hash = ''; location.hash = id; }", anchor)
    page.wait_for_function("(id) => document.activeElement.id === id", arg=anchor)


def test_keyboard_alone_reaches_a_result(visit: Callable[..., Opened]) -> None:
    page = visit().page
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the summary")
    assert skip.bounding_box()["x"] >= 0
    assert page.evaluate("document.activeElement.className") == "skip"
    visited = []
    while (at := page.evaluate("document.activeElement.id")) != "query" and len(visited) < 80:
        ring = page.evaluate("getComputedStyle(document.activeElement).outline")
        assert "solid 2px" in ring, ring
        visited.append(at)
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.type("풀어쓴")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.sample') !== null"):
            break
    assert "풀어쓴" in unicodedata.normalize(
        "NFC", page.evaluate("document.activeElement.closest('.sample').textContent")
    )


def test_slash_goes_to_the_search_and_enter_to_the_first_result(visit: Callable[..., Opened]) -> None:
    page = visit().page
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.type("도서관에서 a/b")  # a slash in the field is a slash
    assert page.locator("#query").input_value() == "도서관에서 a/b"
    page.locator("#query").fill("도서관에서")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.className") == "sample"
    assert "도서관에서" in page.evaluate("document.activeElement.textContent")


@pytest.mark.parametrize("width", [390, 320])
def test_no_korean_word_is_broken(visit: Callable[..., Opened], width: int) -> None:
    count, broken = visit(width, 844).page.evaluate(BROKEN_WORDS)
    assert count > 500
    assert broken == []


def test_hangul_is_drawn(visit: Callable[..., Opened]) -> None:
    if not subprocess.run(["fc-list", ":lang=ko"], capture_output=True, text=True, check=True).stdout:
        lacking("no Korean font: make system installs fonts-noto-cjk")
    texts = [*"훈민감정요약뷁", "\U000e0fff"]  # the last has no glyph anywhere
    drawn = visit().page.evaluate(GLYPHS, texts)
    assert len(set(drawn)) == len(texts)


def test_without_javascript_everything_is_there(visit: Callable[..., Opened]) -> None:
    page = visit(java_script_enabled=False).page
    assert page.locator(".sample:visible").count() == page.locator(".sample").count() > 120
    assert page.locator("button:visible, #controls:visible, input:visible").count() == 0
    assert page.get_by_text("Goals of the config: 1 of 2 met").is_visible()


def test_hostile_texts_stay_texts(visit: Callable[..., Opened]) -> None:
    opened = visit()
    opened.page.locator("#query").fill("onerror=alert(1)")
    assert TEXTS[2] in opened.shown()[0]
    assert opened.page.locator("main img, main script, main iframe").count() == 0


def test_print_has_every_answer_of_the_page_whole(visit: Callable[..., Opened]) -> None:
    page = visit().page
    page.locator("#query").fill("도서관에서")
    assert page.locator(".sample:visible").count() < page.locator(".sample").count()
    page.emulate_media(media="print")
    assert page.locator(".sample:visible").count() == page.locator(".sample").count() > 120
    hidden = """all => all.filter((one) => !one.checkVisibility({contentVisibilityAuto: true})).length"""
    texts = page.locator(".sample .text:not(.lead)")
    assert texts.evaluate_all(hidden) == 0
    assert texts.evaluate_all("all => all.filter((one) => !one.getBoundingClientRect().height).length") == 0


def test_it_prints_in_light_colours_without_controls(visit: Callable[..., Opened]) -> None:
    page = visit(scheme="dark").page
    page.emulate_media(media="print")
    assert page.locator("button:visible, #controls:visible, nav:visible").count() == 0
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 30, 33)"
    assert page.evaluate("getComputedStyle(document.querySelector('.sample')).contentVisibility") == "visible"
    page.set_viewport_size({"width": 720, "height": 1000})  # A4 between its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 720
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_thousands_of_samples_stay_usable(browser: Any, tmp_path: Path) -> None:
    path = write_report(tmp_path, per_task=600)
    assert path.stat().st_size < 3_000_000
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(path.as_uri())
    shown = page.locator(".sample").count()
    assert 300 < shown <= answers.MAX_SAMPLES
    assert f"{shown:,} of the 6,004 held-out samples" in page.locator("#answers").text_content()
    spent = page.evaluate(
        """(word) => {
          const query = document.getElementById("query");
          query.value = word;
          const start = performance.now();
          query.dispatchEvent(new Event("input"));
          document.body.getBoundingClientRect();
          return performance.now() - start;
        }""",
        KOREAN.split()[1],
    )
    assert spent < 2_000, json.dumps({"ms": spent})
    page.close()


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light"), (320, "dark")]
)
def test_the_page_of_several_runs_fits_and_is_read(
    browser: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    names = ["plain", TASKS[0], TASKS[1], "넷째", "fifth"]
    runs = [
        write_answers(
            tmp_path / str(number), ["모름"] * 10 + right_answers(10 * number, first=10), task=TASKS[1]
        )
        for number in range(1, 6)
    ]
    settings = {"data.sources.0.path": [TEXTS[4]] * 4 + [None], KOREAN: list(range(5))}
    path = tmp_path / "page.html"
    path.write_text(compared_page.render(beside(runs, names=names, settings=settings)), encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    opened = Opened(context.new_page(), path.as_uri())
    opened.page.goto(opened.url)
    assert opened.page.evaluate(OVERFLOW) == [0, []]
    count, bad = opened.page.evaluate(CONTRAST)
    assert count > 100
    assert bad == []
    assert (opened.said, set(opened.asked)) == ([], {opened.url})
    context.close()
