"""The contamination gate: the keys of one row, and what is found over all rows."""

import json
import random
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.database.leak_list import SHOWN, matched_stretch, readable_leaks, write_leaks
from data_pipeline.database.leaks import Leak, find_leaks
from data_pipeline.dedup.leak_keys import FULL, KINDS, SHINGLE_LETTERS
from data_pipeline.dedup.shingles import shingle_hashes
from data_pipeline.dedup.spellings import jamo, squeezed, without_particles, words_of
from tests.data_pipeline.dedup.leak_seeds import (
    MAKERS,
    Draft,
    connect,
    gate_keys,
    gate_table,
    row,
    seeds,
    talk,
)

QUICKSTART = Path(__file__).parents[3] / "examples" / "quickstart"
ASKED = "민수는 토요일 오후에 도서관에서 여행책 두 권을 빌렸다. 집에 오는 길에는 빵집에 들렀다."
SAID = "민수는 도서관에서 책을 빌렸다."
PASSAGE = (
    ASKED + " 누나는 같은 날 아침에 시장에서 사과와 배를 고르고, 남은 돈으로 꽃 한 다발을 샀다. "
    "저녁에는 온 가족이 모여 여행 계획을 세웠는데, 아버지는 바다를, 어머니는 산을 바랐다. "
    "결국 바다가 보이는 산으로 떠나기로 했다."
)
ENGLISH = "On Saturday afternoon Minsu borrowed two travel books from the library near the station."


def leaks(train: list[Draft], heldout: list[Draft]) -> list[Leak]:
    con = connect(train=gate_table(train), heldout=gate_table(heldout, first=1000))
    return list(find_leaks(con, "train", "heldout"))


def kinds(train: Draft, heldout: Draft) -> list[str]:
    return [leak.kind for leak in leaks([train], [heldout])]


@pytest.mark.parametrize(
    ("kind", "train", "heldout"),
    [
        ("exact", row(ASKED, SAID), row(ASKED, SAID)),
        ("exact", row("", SAID, instruction=ASKED), row(ASKED, SAID)),
        ("exact", talk(ASKED, SAID), row(ASKED, SAID)),
        ("exact", talk("안녕하세요", "반가워요", ASKED, SAID), row(ASKED, SAID)),
        ("exact", row(ASKED, "부정", label="부정"), row(ASKED, "긍정", label="긍정")),
        ("normalized", row(ENGLISH.upper(), "Yes!"), row(ENGLISH, "yes")),
        ("normalized", row(unicodedata.normalize("NFD", ASKED), SAID + "!!"), row(ASKED, SAID)),
        ("spacing", row(ASKED.replace(" ", ""), SAID), row(ASKED, SAID)),
        ("particle", row(ASKED.replace("민수는", "민수가"), SAID), row(ASKED, SAID)),
        ("particle", row(ASKED, SAID.replace("책을", "책")), row(ASKED, SAID)),
        ("swapped", row(ENGLISH, ASKED), row(ASKED, ENGLISH)),
        ("ngram", row(f"어제 있던 일이다. {ASKED} 그러고 나서 잤다.", SAID), row(ASKED, SAID)),
        ("ngram", row(ASKED.replace("여행책", "요리책"), SAID), row(ASKED, SAID)),
        ("ngram", row(ENGLISH * 2 + " Yes.", "0", label="0"), row(ENGLISH + " No.", "1", label="1")),
        # A passage with another question about it.
        ("ngram", row(f"{PASSAGE} 그 다음은?", "모릅니다"), row(f"{PASSAGE} 무엇을?", "책")),
    ],
)
def test_a_leak_of_each_kind(kind: str, train: Draft, heldout: Draft) -> None:
    assert kinds(train, heldout) == [kind]


@pytest.mark.parametrize(
    ("train", "heldout"),
    [
        (row("네", "네"), row("네", "네")),
        (row("감사합니다", "천만에요."), row("감사합니다", "천만에요.")),
        (row("재미있어요", "긍정", label="긍정"), row("재미있어요", "긍정", label="긍정")),
        # Bare labels and wordings are no text of the row.
        (row(ENGLISH, "긍정", label="긍정"), row(ASKED, "긍정", label="긍정")),
        (row("셋", "3", instruction=ENGLISH), row("넷", "4", instruction=ENGLISH)),
        # The same question answered otherwise, and the same answer to another question.
        (row("오늘 저녁에 무엇을 먹을까요?", SAID), row("오늘 저녁에 무엇을 먹을까요?", ENGLISH)),
        (row("지난주에 누가 왔나요?", SAID), row("책은 어디에서 빌릴 수 있나요?", SAID)),
        # Two conversations that share a greeting.
        (
            talk("잘 지내셨어요?", "네, 반갑습니다. 무엇을 도와드릴까요?", ASKED, SAID),
            talk("잘 지내셨어요?", "네, 반갑습니다. 무엇을 도와드릴까요?", ENGLISH, "Really, when was that?"),
        ),
        (row(ASKED, SAID), row(ENGLISH, "An unrelated answer about the weather.")),
    ],
)  # fmt: skip
def test_no_leak(train: Draft, heldout: Draft) -> None:
    assert kinds(train, heldout) == []


def test_strongest_kind_then_first_train_row() -> None:
    train = [row(ASKED + SAID, SAID), row(ASKED.upper() + "!", SAID), row(ASKED, SAID), row(ASKED, SAID)]
    assert leaks(train, [row(ASKED, SAID)]) == [Leak("exact", 2, 1000, 1.0)]


def test_one_line_a_heldout_row_in_their_order() -> None:
    found = leaks([row(ASKED, SAID)] * 3, [row(ASKED, SAID), row(ENGLISH, SAID), row(ASKED, SAID + "!")])
    assert [(leak.heldout_ord, leak.kind, leak.train_ord) for leak in found] == [
        (1000, "exact", 0),
        (1002, "normalized", 0),
    ]


def test_what_everybody_says_finds_nobody() -> None:
    """A frame that stands in more than MAX_ROWS train rows is no sign of a copy."""
    frame = "다음 사람에 대해 아는 것을 빠짐없이 차근차근 적어 주시고 모르는 것은 모른다고 적어 주세요: "
    train = [
        row(frame + f"{name:c}{name + 7:c}{name + 99:c}", f"{name:c}") for name in range(0xAC00, 0xAC00 + 300)
    ]
    assert leaks(train, [row(frame + "힣흫힁", "힣")]) == []
    assert len(leaks(train[:1], [row(frame + "힣흫힁", train[0]["fields"]["answer"])])) == 1


@pytest.mark.parametrize("length", [10, 4_000, 40_000])
def test_a_row_keeps_a_bounded_number_of_shingles(length: int) -> None:
    chance = random.Random(0)
    keys = gate_keys(row("".join(chance.choice("abcdefghijklmnop") for _ in range(length)), SAID))
    assert len(keys["gate_shingles"]) <= FULL * 1.2
    assert length < FULL or len(keys["gate_shingles"]) > FULL * 0.3
    assert 0 <= keys["gate_asked"] <= len(keys["gate_shingles"]) == len(set(keys["gate_shingles"]))


def test_a_long_text_in_a_longer_one_is_found_by_the_sample() -> None:
    chance = random.Random(0)

    def text(length: int) -> str:
        return "".join(chr(chance.randrange(0xAC00, 0xD7A4)) for _ in range(length))

    passage, answer = text(1200), text(40)
    found = leaks(
        [row(text(3000) + passage + text(3000), answer)], [row(passage, answer), row(text(1200), answer)]
    )
    assert [leak.heldout_ord for leak in found] == [1000]
    assert found[0].score > 0.95


TEXT = st.text(st.sampled_from("가나다각 .\na1bA"), max_size=40) | st.text(max_size=20)
LONG = st.integers(0, 3000).map(lambda length: "".join(chr(0xAC00 + i * i % 997) for i in range(length)))


@given(st.lists(st.lists(TEXT | LONG, min_size=2, max_size=6), max_size=4))
def test_rows_together_have_the_keys_of_each_alone(conversations: list[list[str]]) -> None:
    drafts = [
        row(*texts) if len(texts) == 2 else talk(*texts[: len(texts) // 2 * 2]) for texts in conversations
    ]
    together = gate_table(drafts).drop_columns(["ord", "task"]).to_pylist()
    assert together == [gate_keys(draft) for draft in drafts]


@given(TEXT | LONG, TEXT | LONG)
def test_shingles_are_the_distinct_ones_of_each_half(asked: str, answer: str) -> None:
    keys = gate_keys(row(asked, answer))

    def distinct(text: str) -> set[int]:
        letters = jamo(squeezed(words_of(text)))
        hashes, _ = shingle_hashes([letters], size=SHINGLE_LETTERS)
        return {value % 2**63 for value in hashes.tolist()} if letters else set()

    first, second = distinct(asked), distinct(answer) - distinct(asked)
    level = keys["gate_level"]
    assert level == next(n for n in range(20) if len(first) + len(second) <= FULL * 2**n)
    kept = [sorted(value for value in half if value % 2**level == 0) for half in (first, second)]
    assert keys["gate_shingles"] == kept[0] + kept[1]
    assert keys["gate_asked"] == len(kept[0])
    assert len(keys["gate_kinds"]) == len(keys["gate_hashes"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("나는 학교에 간다", "나도 학교로 간다"),
        ("나는 학교에서만 본다", "나 학교 본다"),
        ("나이가 많다", "나이 많다"),
        ("API를 부른다", "api가 부른다"),
        ("친구에게까지는 말했다", "친구 말했다"),
    ],
)
def test_other_particles_come_out_equal(one: str, other: str) -> None:
    assert without_particles(words_of(one)) == without_particles(words_of(other))


def test_other_words_do_not() -> None:
    assert without_particles(words_of("나는 학교에 간다")) != without_particles(words_of("나는 집에 간다"))
    assert without_particles("이 도 는") == "이도는"  # a word keeps a character


@given(
    st.lists(st.sampled_from(["민수", "학교", "도서관", "책", "바다", "학생들"]), min_size=1, max_size=6),
    st.data(),
)
def test_a_particle_more_or_less_changes_nothing(nouns: list[str], data: st.DataObject) -> None:
    ends = st.sampled_from(["", "은", "는", "이", "가", "을", "를", "에", "에서", "으로", "까지", "에게"])
    sentence = " ".join(noun + data.draw(ends) for noun in nouns)
    assert without_particles(sentence) == squeezed(" ".join(nouns))


def quickstart() -> list[Draft]:
    """Our own corpus: translations, summaries, questions, code, reviews, conversations."""

    def lines(name: str) -> list[str]:
        return (QUICKSTART / name).read_text(encoding="utf-8").splitlines()

    drafts = [
        row(*pair) for pair in zip(lines("translation.en.txt"), lines("translation.ko.txt"), strict=True)
    ]
    drafts += [
        row(item["document"], item["summary"]) for item in map(json.loads, lines("summarization.jsonl"))
    ]
    for name in ("qa.jsonl", "code.jsonl"):
        items = map(json.loads, lines(name))
        drafts += [row(item["input"], item["output"], instruction=item["instruction"]) for item in items]
    for name in ("reviews.tsv", "reviews.en.tsv"):
        cells = [line.split("\t") for line in lines(name)[1:]]
        drafts += [row(text, label, label=label) for _, text, label in cells]
    chats = json.loads((QUICKSTART / "chat.json").read_text(encoding="utf-8"))
    return drafts + [talk(*(turn["value"] for turn in chat["conversations"])) for chat in chats]


@pytest.mark.parametrize("kind", MAKERS)
def test_of_a_thousand_leaks_of_each_kind_at_most_one_in_a_hundred_is_missed(kind: str) -> None:
    drafts = quickstart()
    pool = drafts[:160] if kind == "swapped" else drafts
    pairs = seeds(kind, pool, random.Random(0), 1000)
    # Each seed alone, so that no copy is found through a row that is like it.
    found = 0
    for start in range(0, 1000, 250):
        part = pairs[start : start + 250]
        con = connect(
            train=gate_table(copy for _, copy in part),
            heldout=gate_table((one for one, _ in part), first=1000),
        )
        found += len(list(find_leaks(con, "train", "heldout")))
    assert found >= 990


def test_held_out_rows_that_are_looked_for_a_few_at_a_time_are_found_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number = random.Random(3)
    passages = [f"{PASSAGE} {' '.join(str(number.random()) for _ in range(20))}" for _ in range(12)]
    train = [row(f"{passage} 그 다음은?", "모릅니다") for passage in passages]
    heldout = [row(f"{passage} 무엇을?", "책") for passage in passages]
    at_once = leaks(train, heldout)
    assert [leak.kind for leak in at_once] == ["ngram"] * len(passages)
    monkeypatch.setattr("data_pipeline.database.leaks.MAX_SHINGLES", 1000)
    assert leaks(train, heldout) == at_once


def test_the_same_text_in_another_task_is_a_kind_of_its_own() -> None:
    asked = row(ASKED, "긍정", label="긍정")
    other = row(ASKED, "사회", label="사회") | {"task": "topic"}
    assert kinds(other, asked) == ["other_task"]
    # A row of the same task counts first, though it is a weaker kind.
    found = leaks([other, row(ASKED.replace(" ", ""), "부정", label="부정")], [asked])
    assert [(leak.kind, leak.train_ord) for leak in found] == [("spacing", 1)]


def prepared(place: int, draft: Draft) -> Any:
    return draft | {"ord": place, "row_id": f"s:f:{place}.0"}


def test_all_leaks_are_written_and_some_are_listed(tmp_path: Path) -> None:
    instruction = "다음 글을 읽고 물음에 답해 주세요."
    drafts = {i: row(f"{ASKED} {i}", SAID, instruction=instruction) for i in range(SHOWN + 5)}
    drafts |= {1000 + i: row(f"{i} {ASKED}!", "모른다", instruction=instruction) for i in range(SHOWN + 5)}
    drafts[1001] |= {"task": "topic"}
    found = [Leak("ngram", i, 1000 + i, 0.8) for i in range(SHOWN + 5)]
    found[1] = Leak("other_task", 1, 1001, 1.0)
    path = tmp_path / "leaks.jsonl"
    shown = write_leaks(
        found, path, rows_at=lambda places: [prepared(place, drafts[place]) for place in sorted(places)]
    )
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == len(found)
    assert lines[0] == {
        "kind": "ngram",
        "score": 0.8,
        "matched": ASKED.rstrip("."),
        "heldout": "s:f:1000.0",
        "train": "s:f:0.0",
        "heldout_task": "any",
        "train_task": "any",
        "heldout_text": f"0 {ASKED}! → 모른다",
        "train_text": f"{ASKED} 0 → {SAID}",
    }
    text = readable_leaks(found, shown, path=path)
    assert text.splitlines()[0] == (
        f"25 held-out row(s) stand in the training data too: 24 ngram, 1 other_task; all of them: {path}"
    )
    assert "ngram (80% of it): 민수는 토요일" in text
    assert "other_task (topic, any): 민수는 토요일" in text
    assert "and 5 more" in text
    assert instruction not in text
    assert all(cure in text for cure in ("`family:`", "filters", "data.allow_contamination"))


@pytest.mark.parametrize(
    ("text", "other", "matched"),
    [
        ("앞의 말. 민수는 도서관에 갔다! 뒤의 말", "민수는도서관에 갔다", "민수는 도서관에 갔다"),
        ("The Cat, sat on a mat", "a dog; THE CAT SAT on", "The Cat, sat on"),
        ("가나다", "가나다", ""),
        ("", "", ""),
        ("abcdef", "abcdef", "abcdef"),
    ],
)
def test_what_matched_is_the_longest_common_stretch(text: str, other: str, matched: str) -> None:
    assert matched_stretch(text, other) == matched


@given(st.text(alphabet="ab ,가", max_size=40), st.text(alphabet="ab ,가", max_size=40))
def test_what_matched_stands_in_the_text(text: str, other: str) -> None:
    assert matched_stretch(text, other) in text
    letters = sum(sign.isalnum() for sign in text)
    assert (letters >= 6) == bool(matched_stretch(text, text))


def test_kinds_are_a_file_format() -> None:
    assert KINDS == ("exact", "normalized", "spacing", "particle", "swapped", "ngram")
