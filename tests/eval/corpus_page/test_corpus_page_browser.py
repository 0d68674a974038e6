"""The corpus page in a real headless Chromium: it fits a phone, is found in, and logs nothing."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from corpus_page_run import page
from needs import lacking
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    lacking("no chromium: make system installs it")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_is_searched(browser: Any, tmp_path: Path, width: int, scheme: str) -> None:
    (tmp_path / "corpus.html").write_text(page(), encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    opened, said = context.new_page(), []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto((tmp_path / "corpus.html").as_uri())

    assert opened.evaluate("document.documentElement.scrollWidth") == width
    shown = opened.locator(".sample:visible")
    assert shown.count() == 9  # five of chat, and the rest
    opened.locator(".further:visible").click()
    assert shown.count() == 12

    opened.fill("#query", "서울 weather")
    assert opened.locator("#matches").text_content() == "1 of 12 samples match, 1 shown."
    opened.fill("#query", "")
    opened.select_option("#task", label="rejected: label_unmapped")
    assert shown.count() == 1
    colours = opened.evaluate(
        "['thought', 'answer', 'call', 'user'].map((kind) => "
        "getComputedStyle(document.querySelector('.part.' + kind)).borderLeftColor)"
    )
    assert len(set(colours)) == 4
    assert said == []
    context.close()
