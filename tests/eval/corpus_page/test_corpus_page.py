"""The corpus page says what became of the corpus, and nothing of it is markup."""

import html
import re

import pytest
from corpus_page_run import page
from report_run import HOSTILE

from eval.report.sections.formatting import NBSP


@pytest.fixture(scope="module")
def text() -> str:
    """The words of the page with white space evened out."""
    bare = re.sub(r"<(style|script)>.*?</\1>", " ", page(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", bare)).replace(NBSP, " ").split())


def test_it_stands_alone_and_escapes_what_is_anybodys() -> None:
    made = page()
    assert HOSTILE not in made.replace(html.escape(HOSTILE), "")
    assert not re.search(r'(src|href)="(?!#)', made)
    assert "default-src 'none'" in made
    assert made == page()


def test_kept_rows_are_told_part_by_part(text: str) -> None:
    assert "Kept: chat 8 of 30 " in text
    told = "System 너는 비서다. User 서울 날씨 알려 줘 Thought 날씨 도구를 불러야겠다. 3 turns of 9 left out "
    told += (
        'Call weather({"city": "서울"}) Tool {"sky": "맑음", "temp": 3.10} Answer 서울은 맑고 3.10도입니다.'
    )
    assert told in text
    about = "held out, label 긍정 , 20 tokens, 5 trained; wording 감성/ko-01; wrapper role:a + few_shot:1"
    assert about in text


def test_near_pairs_stand_side_by_side(text: str) -> None:
    assert "Near duplicates 1 of 12 Similarity 0.87" in text
    assert "Dropped: 영화평:reviews.tsv:7.0 왼쪽 글 Kept: 영화평:reviews.tsv:6.0 오른쪽 글" in text


def test_rejected_records_say_why_and_what_they_say(text: str) -> None:
    assert (
        f"Rejected: label_unmapped 1 of 2 The label is not among labels. 영화평:reviews.tsv:4.0 {HOSTILE}"
        in text
    )
    assert "all 420 characters" in text
    assert "Rejected: answer_empty 1 JSON says nothing. 영화평:reviews.tsv:5.0 왜 (empty)" in text


def test_labels_languages_and_the_counts_of_the_report(text: str) -> None:
    assert "감성 긍정 3 75.0 % 부정 1 25.0 %" in text
    assert "chat en ko ≠ 6 100.0 %" in text
    assert "Sources: every record read is either kept or rejected with a reason" in text
    assert "corpus.html" not in text
