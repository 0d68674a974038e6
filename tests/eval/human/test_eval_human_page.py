"""The rating page in a real headless Chromium: by keyboard alone, kept, handed back, on desk and phone."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from human_run import LONG, SCRIPT
from needs import lacking
from playwright.sync_api import expect, sync_playwright

from eval.human.forms import form_csv, rating_page

CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    lacking("no chromium: make system installs it")

Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def visit(browser: Any, handed_out: Path) -> Iterator[Visit]:
    """Open a form in a fresh profile; at the end nothing was logged and nothing but the page was read."""
    contexts, said, asked, urls = [], [], [], set()

    def visited(mode: str = "absolute", *, width: int = 1280, scheme: str = "light", **options: Any) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 844}, color_scheme=scheme, reduced_motion="reduce", **options
        )
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        url = (handed_out / "human" / mode / "for_raters" / "rater-1.html").as_uri()
        page.goto(url)
        contexts.append(context)
        urls.add(url)
        return page

    yield visited
    for context in contexts:
        context.close()
    assert said == []
    assert {url for url in asked if not url.startswith("blob:")} <= urls


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_it_fits_and_shows_texts_as_texts(visit: Visit, width: int, scheme: str) -> None:
    page = visit("pairwise", width=width, scheme=scheme)
    seen = ""
    for _ in range(7):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        seen += "".join(page.locator("#answers .text").all_text_contents())
        page.keyboard.press("Enter")
    assert SCRIPT in seen
    assert LONG.strip() in seen  # the page shows all of what a cell cannot hold
    assert page.locator("#answers script, #answers b").count() == 0
    # The buttons that stay at the bottom cover nothing for good.
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last = page.locator("#saved").bounding_box()
    assert last["y"] + last["height"] <= page.locator(".steps").bounding_box()["y"]


def test_a_keyboard_is_enough_and_the_work_is_kept(visit: Visit) -> None:
    page = visit("absolute")
    expect(page.locator("#progress")).to_have_text("16개 가운데 0개 평가함")
    page.keyboard.type("12345")
    expect(page.locator("#progress")).to_have_text("16개 가운데 1개 평가함")
    assert page.locator(":checked").evaluate_all("all => all.map((one) => one.value)") == list("12345")
    page.keyboard.press("Backspace")
    page.keyboard.press("1")  # the fourth criterion again
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("2 / 16")
    page.keyboard.type("33")
    page.keyboard.press("u")  # this one is filled in part, the next one is open
    expect(page.locator("h1")).to_have_text("3 / 16")
    page.reload()
    expect(page.locator("h1")).to_have_text("3 / 16")
    page.keyboard.press("p")
    page.keyboard.press("p")
    checked = page.locator(":checked").evaluate_all("all => all.map((one) => one.value)")
    assert checked == ["1", "2", "3", "1", "5"]
    assert page.locator("fieldset.current").count() == 1


def test_a_pair_is_rated_by_the_mouse_too_and_a_note_is_typed(visit: Visit) -> None:
    page = visit("pairwise", width=390)
    for fieldset in page.locator("fieldset").all():
        fieldset.get_by_text("비김", exact=True).click()
    page.locator("#note").fill("=2 3 둘 다")
    page.locator("#note").press("1")  # typed, no rating
    assert page.locator(":checked").evaluate_all("all => all.map((one) => one.value)") == ["tie"] * 6
    expect(page.locator("#progress")).to_have_text("7개 가운데 1개 평가함")
    page.get_by_role("button", name="다음").click()
    assert page.locator(":checked").count() == 0
    page.get_by_role("button", name="이전").click()
    assert page.locator("#note").input_value() == "=2 3 둘 다1"


def test_the_work_goes_out_and_comes_in_again(visit: Visit, tmp_path: Path) -> None:
    page = visit("pairwise")
    page.keyboard.type("123123")
    page.locator("#note").fill("=메모, 둘")
    page.get_by_role("button", name="다음").click()
    page.keyboard.type("1")
    with page.expect_download() as saved:
        page.get_by_role("button", name="저장 (JSON)").click()
    saved.value.save_as(tmp_path / saved.value.suggested_filename)
    expect(page.locator("#saved")).to_contain_text("일부만 채운 것이 1개")
    with page.expect_download() as table:
        page.get_by_role("button", name="저장 (CSV)").click()
    table.value.save_as(tmp_path / "back.csv")
    (file,) = tmp_path.glob("h*.1.json")
    whole, part = rating_page.read(file.read_bytes()).lines
    assert list(whole.values.values()) == ["A", "tie", "B"] * 2
    assert (part.values, whole.note) == ({"overall": "A"}, "=메모, 둘")
    assert whole.item.startswith(file.stem)
    from_csv = form_csv.read((tmp_path / "back.csv").read_bytes()).lines
    assert [(line.item, line.values, line.note) for line in from_csv] == [
        (one.item, one.values, one.note) for one in (whole, part)
    ]

    other = visit("pairwise")
    expect(other.locator("#progress")).to_have_text("7개 가운데 0개 평가함")
    other.locator("#load").set_input_files(file)
    expect(other.locator("#progress")).to_have_text("7개 가운데 1개 평가함")
    (tmp_path / "wrong.json").write_text(json.dumps({"format": "hunmin-ratings", "form": "h0.1"}))
    other.locator("#load").set_input_files(tmp_path / "wrong.json")
    expect(other.locator("#saved")).to_have_text("이 평가지의 파일이 아닙니다.")
    expect(other.locator("#progress")).to_have_text("7개 가운데 1개 평가함")


def test_both_languages_and_all_themes(visit: Visit) -> None:
    page = visit("absolute")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.keyboard.type("5")
    page.get_by_role("button", name="English").click()
    expect(page.locator("#progress")).to_have_text("0 of 16 rated")
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.get_by_role("group", name="Naturalness").count() == 1
    assert page.locator(":checked").count() == 1
    for name, dark in (("Theme: auto", False), ("Theme: light", False), ("Theme: dark", True)):
        button = page.get_by_role("button", name="Theme")
        assert button.text_content() == name
        assert (page.evaluate(paper) != light) == dark
        button.click()


def test_a_browser_that_keeps_nothing_says_so(visit: Visit) -> None:
    page = visit("absolute")
    page.evaluate("() => { Storage.prototype.setItem = () => { throw Error('full') } }")
    expect(page.locator("#trouble")).to_be_hidden()
    page.keyboard.type("1")
    expect(page.locator("#trouble")).to_have_text(
        "이 브라우저는 평가를 저장해 두지 못합니다. 닫기 전에 파일로 저장하세요."
    )
