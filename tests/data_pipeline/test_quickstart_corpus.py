"""The corpus that newcomers read first, and the wordings of every shipped task."""

import itertools
import json
import math
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_pipeline import sources
from data_pipeline.config import DataConfig
from data_pipeline.rows.prepare import prepare
from data_pipeline.tasks.tasks import load_tasks
from hunmin.section import resolve_path

REPO = Path(__file__).resolve().parents[2]
CORPUS = REPO / "examples" / "quickstart"
TASK_FILES = sorted((REPO / "configs" / "tasks").glob("*.yaml"))
TASKS = ("translation", "summarization", "sentiment", "code_generation", "conversation", "question_answering")
SHIPPED = (*TASKS, "nli", "safe_response")  # the corpus has rows of the first
AXES = {"expression", "tone", "complexity", "language", "domain", "format"}
METRICS = {
    "bleu",
    "chrf",
    "rouge1",
    "rouge2",
    "rougeL",
    "rougeL_char",
    "exact_match",
    "accuracy",
    "macro_f1",
}
MIN_COMPARED = 20  # characters; shorter texts of one kind share most of their 5-grams by nature
NEAR_HELDOUT = 0.6  # Jaccard of 5-grams from which a held-out review counts as seen in training
ENGLISH_REVIEWS = "reviews.en.tsv"  # for a model that knows English; the quickstart leaves it out
# Words that say how much, or what was hoped for, and must not give the label away.
DEGREES = ("너무", "정말", "아주", "무척", "조금", "전혀", "생각보다", "기대가", "기대하지")

# A call of each function, as the request describes it.
CALLS = [
    ("add(2, 3)", 5),
    ("is_even(7)", False),
    ("sum_to(100)", 5050),
    ("factorial(5)", 120),
    ("factorial(0)", 1),
    ("reverse_text('가나다')", "다나가"),
    ("is_palindrome('기러기')", True),
    ("is_palindrome('오리')", False),
    ("find_max([3, 9, -2])", 9),
    ("mean([1, 2, 3])", 2),
    ("mean([])", 0),
    ("unique([2, 1, 2, 3, 1])", [2, 1, 3]),
    ("count_words('나는 밥을 먹는다')", 3),
    ("count_letters('바나나')", {"바": 1, "나": 2}),
    ("to_fahrenheit(100)", 212),
    ("circle_area(2)", math.pi * 4),
    ("[n for n in range(20) if is_prime(n)]", [2, 3, 5, 7, 11, 13, 17, 19]),
    ("gcd(12, 18)", 6),
    ("only_even([1, 2, 3, 4])", [2, 4]),
    ("squares([1, -2, 3])", [1, 4, 9]),
    ("[grade(95), grade(80), grade(79)]", ["A", "B", "C"]),
    ("greet('민지')", "안녕하세요, 민지 님!"),
    ("split_minutes(135)", (2, 15)),
    ("reversed_list([1, 2, 3])", [3, 2, 1]),
    ("common([3, 1, 2], [2, 3, 4])", [2, 3]),
    ("remove_spaces('한 글 날')", "한글날"),
    ("digit_sum(1446)", 15),
    ("[fibonacci(n) for n in range(7)]", [0, 1, 1, 2, 3, 5, 8]),
    ("[is_leap_year(y) for y in (1900, 2000, 2023, 2024)]", [False, True, False, True]),
    ("swap_dict({'a': 1, 'b': 2})", {1: "a", 2: "b"}),
    ("flatten([[1], [2, 3], []])", [1, 2, 3]),
    ("discount(10000, 15)", 8500),
    ("join_words(['산', '바다'])", "산, 바다"),
    ("longest_word(['해', '바람', '무지개'])", "무지개"),
    ("[find_index([5, 6], 6), find_index([5, 6], 7)]", [1, -1]),
    ("[is_sorted([1, 1, 2]), is_sorted([2, 1])]", [True, False]),
    ("[clamp(5, 0, 3), clamp(-1, 0, 3), clamp(2, 0, 3)]", [3, 0, 2]),
    ("times_table(3)", [3, 6, 9, 12, 15, 18, 21, 24, 27]),
    ("[clap(9), clap(10)]", ["짝", "10"]),
    ("[binary_search([1, 3, 5, 7], 7), binary_search([1, 3, 5, 7], 4)]", [3, -1]),
    ("bubble_sort([3, 1, 2, 1])", [1, 1, 2, 3]),
    ("[safe_divide(6, 3), safe_divide(1, 0)]", [2, None]),
    ("multiply(4, 5)", 20),
    ("[is_odd(3), is_odd(-4)]", [True, False]),
    ("find_min([4, -1, 2])", -1),
    ("count_vowels('Education')", 5),
    ("to_celsius(212)", 100),
    ("rectangle_area(3, 4)", 12),
    ("capitalize_words('hello big world')", "Hello Big World"),
    ("only_positive([-1, 0, 2])", [2]),
    ("lcm(4, 6)", 12),
    ("repeat('ab', 3)", "ab-ab-ab"),
    ("[median([3, 1, 2]), median([4, 1, 2, 3])]", [2, 2.5]),
    ("[last([1, 2]), last([])]", [2, None]),
    ("divisors(12)", [1, 2, 3, 4, 6, 12]),
    ("power(2, 10)", 1024),
    ("merge({'a': 1, 'b': 1}, {'b': 2})", {"a": 1, "b": 2}),
    ("chunks([1, 2, 3, 4, 5], 2)", [[1, 2], [3, 4], [5]]),
    ("[sign(7), sign(0), sign(-7)]", [1, 0, -1]),
    ("running_total([1, 2, 3])", [1, 3, 6]),
    ("second_largest([5, 5, 3, 4])", 4),
    ("[is_anagram('listen', 'silent'), is_anagram('ab', 'abb')]", [True, False]),
    ("[fizz_buzz(n) for n in (3, 5, 15, 7)]", ["Fizz", "Buzz", "FizzBuzz", "7"]),
    ("group_by_length(['a', 'bb', 'c'])", {1: ["a", "c"], 2: ["bb"]}),
    ("countdown(3)", [3, 2, 1]),
    ("distance((0, 0), (3, 4))", 5),
    ("transpose([[1, 2], [3, 4]])", [[1, 3], [2, 4]]),
    ("[(s := Stack()).push(1), s.push(2), s.pop()]", [None, None, 2]),
    ("[(c := Counter()).add(), c.add(), c.value]", [None, None, 2]),
]


def read_jsonl(name: str) -> list[Any]:
    return [json.loads(line) for line in (CORPUS / name).read_text(encoding="utf-8").splitlines()]


def read_reviews(name: str = "reviews.tsv") -> list[list[str]]:
    lines = (CORPUS / name).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "id\ttext\tlabel"
    return [line.split("\t") for line in lines[1:]]


def read_pairs() -> list[tuple[str, str]]:
    sides = [
        (CORPUS / f"translation.{side}.txt").read_text(encoding="utf-8").splitlines() for side in ("ko", "en")
    ]
    return list(zip(*sides, strict=True))


def read_chats() -> list[list[dict[str, str]]]:
    return [chat["conversations"] for chat in json.loads((CORPUS / "chat.json").read_text(encoding="utf-8"))]


def texts_by_task() -> dict[str, list[str]]:
    """Each row's whole text: what a near copy would repeat."""
    return {
        "sentiment": [text for _, text, _ in read_reviews()],
        "translation": ["\n".join(pair) for pair in read_pairs()],
        "summarization": [
            f"{row['document']}\n{row['summary']}" for row in read_jsonl("summarization.jsonl")
        ],
        "code_generation": [f"{row['instruction']}\n{row['output']}" for row in read_jsonl("code.jsonl")],
        "question_answering": ["\n".join(row.values()) for row in read_jsonl("qa.jsonl")],
        "conversation": ["\n".join(turn["value"] for turn in chat) for chat in read_chats()],
    }


def is_korean(text: str) -> bool:
    return re.search("[가-힣]", text) is not None


def jaccard(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other)


def shingles(text: str) -> set[str]:
    return {text[i : i + 5] for i in range(max(1, len(text) - 4))}


@pytest.mark.parametrize(
    ("task", "least"),
    [
        ("sentiment", 800),
        ("translation", 100),
        ("summarization", 60),
        ("code_generation", 60),
        ("question_answering", 60),
        ("conversation", 80),
    ],
)
def test_there_are_enough_rows(task: str, least: int):
    assert len(texts_by_task()[task]) >= least


@pytest.mark.parametrize("task", TASKS)
def test_no_row_is_a_copy_or_a_near_copy(task: str):
    texts = texts_by_task()[task]
    assert [text for text, count in Counter(texts).items() if count > 1] == []
    compared = [(text, shingles(text)) for text in texts if len(text) >= MIN_COMPARED]
    assert len(compared) >= 0.9 * len(texts)
    near = [
        (a, b) for (a, one), (b, other) in itertools.combinations(compared, 2) if jaccard(one, other) >= 0.8
    ]
    assert near == []


def test_near_copies_are_seen():
    one = shingles("동네 빵집은 커피가 맛있어서 또 가고 싶어요.")
    assert jaccard(one, shingles("동네 빵집은 커피가 맛있어서 또 가고 싶어요!")) >= 0.8
    assert jaccard(one, shingles("동네 빵집은 커피가 밍밍해서 많이 실망했어요.")) < 0.8


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_files_are_utf8_in_nfc_with_unix_line_ends(path: Path):
    text = path.read_bytes().decode("utf-8")
    assert text == unicodedata.normalize("NFC", text)
    assert "\r" not in text
    assert "\ufeff" not in text
    assert text.endswith("\n")


def test_no_text_is_empty_or_padded():
    for task, texts in texts_by_task().items():
        for text in texts:
            for line in text.split("\n") if task != "code_generation" else [text]:
                assert line, (task, text)
                assert line == line.strip(), (task, text)


def test_review_labels_are_balanced_and_ids_unique():
    reviews = read_reviews()
    counts = Counter(label for _, _, label in reviews)
    assert set(counts) == {"0", "1"}
    assert abs(counts["0"] - counts["1"]) <= 0.02 * len(reviews)
    assert len({row_id for row_id, _, _ in reviews}) == len(reviews)


def test_neither_what_a_review_is_about_nor_its_degree_words_give_the_label_away():
    """A model that knows only the first word (새, 동네, 영어 …) or a 너무 must not do well."""
    reviews = [(re.findall(r"\w+", text), label == "1") for _, text, label in read_reviews()]
    commonest = Counter(words[0] for words, _ in reviews).most_common(20)
    firsts = {word: [good for words, good in reviews if words[0] == word] for word, _ in commonest}
    degrees = {word: [good for words, good in reviews if word in words] for word in DEGREES}
    for labels in (firsts, degrees):
        shares = {word: sum(good) / len(good) for word, good in labels.items()}
        assert {word: share for word, share in shares.items() if not 0.3 <= share <= 0.7} == {}


def reviews_by_split() -> dict[str, list[Any]]:
    """The reviews as the pipeline reads, normalizes and splits them under the quickstart config."""
    path = REPO / "configs" / "quickstart.yaml"
    config = load(path)
    data, tasks = DataConfig.model_validate(config["data"]), load_tasks(None)
    index, source = next((i, s) for i, s in enumerate(data.sources) if s.name == "reviews")
    splits: dict[str, list[Any]] = {"train": [], "val": [], "heldout": []}
    for unit in sources.expand(source, index=index, base=path.parent):
        for draft in sources.read(unit, source):
            row: Any = prepare(draft, config=data, tasks=tasks, seed=config["seed"])
            splits[row["split"]].append(row["fields"])
    return splits


def test_held_out_reviews_are_many_balanced_and_unlike_those_of_training():
    splits = reviews_by_split()
    assert sum(map(len, splits.values())) == len(read_reviews())
    heldout = splits["heldout"]
    assert len(heldout) >= 100
    assert 0.4 <= sum(fields["answer"] == "긍정" for fields in heldout) / len(heldout) <= 0.6
    asked, seen = (
        [(fields["input"], shingles(fields["input"])) for fields in splits[split]]
        for split in ("heldout", "train")
    )
    near = [
        (a, b)
        for (a, one), (b, other) in itertools.product(asked, seen)
        if jaccard(one, other) >= NEAR_HELDOUT
    ]
    assert near == []


def test_there_are_700_english_reviews_half_of_them_good():
    reviews = read_reviews(ENGLISH_REVIEWS)
    assert [row_id for row_id, _, _ in reviews] == [f"e{n:03}" for n in range(1, 701)]
    assert Counter(label for _, _, label in reviews) == {"0": 350, "1": 350}


def test_english_reviews_are_plain_english_of_6_to_40_words():
    for row_id, text, _ in read_reviews(ENGLISH_REVIEWS):
        assert re.fullmatch(r"[A-Za-z0-9 ,.:;?!'-]*[.?!]", text), row_id
        assert text == " ".join(text.split()), row_id
        assert 6 <= len(text.split()) <= 40, row_id


def test_no_english_review_is_a_near_copy():
    reviews = [(text, shingles(text)) for _, text, _ in read_reviews(ENGLISH_REVIEWS)]
    near = [
        (a, b)
        for (a, one), (b, other) in itertools.combinations(reviews, 2)
        if jaccard(one, other) >= NEAR_HELDOUT
    ]
    assert near == []


def test_neither_length_first_word_nor_place_gives_an_english_label_away():
    reviews = [(text.split(), label == "1") for _, text, label in read_reviews(ENGLISH_REVIEWS)]
    lengths = {good: [len(words) for words, label in reviews if label == good] for good in (True, False)}
    good, bad = (sum(lengths[label]) / len(lengths[label]) for label in (True, False))
    assert abs(good - bad) < 1
    labels: dict[str, list[bool]] = {}
    for words, label in reviews:
        labels.setdefault(words[0], []).append(label)
    common = {word: sum(goods) / len(goods) for word, goods in labels.items() if len(goods) >= 8}
    assert len(common) >= 12
    assert {word: share for word, share in common.items() if not 0.4 <= share <= 0.6} == {}
    for start in range(0, len(reviews), 100):  # shuffled: any stretch of the file holds both
        assert 30 <= sum(label for _, label in reviews[start : start + 100]) <= 70


def test_reviews_share_their_words():
    """A model can only judge an unseen review by words it has met: most words occur in several rows."""
    reviews = [set(re.findall(r"\w+", text)) for _, text, _ in read_reviews()]
    in_rows = Counter(itertools.chain.from_iterable(reviews))
    known = [sum(in_rows[word] >= 3 for word in words) / len(words) for words in reviews]
    assert sum(known) / len(known) >= 0.75


def test_translations_pair_korean_with_english():
    for korean, english in read_pairs():
        assert is_korean(korean), korean
        assert not is_korean(english), english
        assert korean[-1] == english[-1], (korean, english)  # a question stays a question


def test_summaries_are_one_short_sentence_in_the_language_of_the_text():
    for row in read_jsonl("summarization.jsonl"):
        assert 2 <= len(re.findall(r"[.?!](?:\s|$)", row["document"])) <= 4, row
        assert len(re.findall(r"[.?!](?:\s|$)", row["summary"])) == 1, row
        assert len(row["summary"]) < 0.75 * len(row["document"]), row
        assert is_korean(row["summary"]) == is_korean(row["document"]), row


def test_answers_stand_in_their_passage():
    for row in read_jsonl("qa.jsonl"):
        assert row["output"] in row["input"], row
        assert row["instruction"].endswith("?"), row


def test_chats_alternate_and_end_with_an_answer():
    lengths = Counter()
    for turns in read_chats():
        assert 2 <= len(turns) <= 6
        assert [turn["from"] for turn in turns] == ["human", "gpt"] * (len(turns) // 2)
        lengths[len(turns)] += 1
    assert set(lengths) == {2, 4, 6}


@pytest.mark.parametrize("task", [task for task in TASKS if task != "sentiment"])
def test_both_languages_are_there(task: str):
    firsts = [text.split("\n")[0] for text in texts_by_task()[task]]
    if task == "translation":
        firsts = [side for pair in read_pairs() for side in pair]
    korean = sum(map(is_korean, firsts))
    assert min(korean, len(firsts) - korean) >= 20


def defined_in(code: str) -> Any:
    scope: Any = {}
    exec(compile(code, "answer", "exec"), scope)
    return scope


def test_every_code_answer_defines_what_was_asked():
    for row in read_jsonl("code.jsonl"):
        names = re.findall(r"[A-Za-z_]{3,}", row["instruction"])
        assert set(names) & set(defined_in(row["output"])) - {"math"}, row["instruction"]


@pytest.fixture(scope="module")
def answers() -> Any:
    scope: Any = {}
    for row in read_jsonl("code.jsonl"):
        names = {name for name in defined_in(row["output"]) if not name.startswith("__")} - {"math"}
        assert not names & scope.keys(), f"two answers define {names & scope.keys()}"
        scope |= defined_in(row["output"])
    return scope


@pytest.mark.parametrize(("call", "expected"), CALLS, ids=[call for call, _ in CALLS])
def test_code_answers_do_what_was_asked(answers: Any, call: str, expected: object):
    assert eval(call, answers) == expected


def test_every_code_answer_is_called(answers: Any):
    called = set(re.findall(r"[A-Za-z_]+", " ".join(call for call, _ in CALLS)))
    defined = {name for name in answers if not name.startswith("__")} - {"math"}
    assert defined - called == set()


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_shipped_tasks_are_these():
    assert {path.stem for path in TASK_FILES} == set(SHIPPED)


@pytest.mark.parametrize("path", TASK_FILES, ids=lambda path: path.stem)
def test_task_file(path: Path):
    task = load(path)
    assert task["name"] == path.stem
    assert re.fullmatch(r"\[[가-힣]+\]", task["prefix"])
    assert set(task["metrics"]) <= METRICS
    assert (task["labels"] != []) == ("accuracy" in task["metrics"])


@pytest.mark.parametrize("path", TASK_FILES, ids=lambda path: path.stem)
def test_bank_of_wordings(path: Path):
    wordings = load(path)["wordings"]
    assert len({wording["id"] for wording in wordings}) == len(wordings)
    assert len({wording["text"] for wording in wordings}) == len(wordings)
    assert {wording["axis"] for wording in wordings} <= AXES
    languages = Counter(wording["language"] for wording in wordings)
    assert languages["ko"] >= 8
    assert languages["en"] >= 6
    for language in ("ko", "en"):
        held = [wording for wording in wordings if wording.get("heldout") and wording["language"] == language]
        assert held, language


@pytest.mark.parametrize("path", TASK_FILES, ids=lambda path: path.stem)
def test_wordings_are_plain_sentences_in_their_language(path: Path):
    for wording in load(path)["wordings"]:
        text = wording["text"]
        assert text == unicodedata.normalize("NFC", text.strip())
        assert not re.search(r"[{}<>%$]|\.\.\.|…|_", text), f"a placeholder in {text!r}"
        latin_only = not is_korean(text) or wording.get("when", {}).get("language") == "ko"
        assert is_korean(text) if wording["language"] == "ko" else latin_only, text


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("path", TASK_FILES, ids=lambda path: path.stem)
def test_answers_in_either_language_have_wordings_to_train_on_and_to_be_asked_in(path: Path, language: str):
    fitting = [w for w in load(path)["wordings"] if w.get("when", {}).get("language", language) == language]
    assert sum(not w.get("heldout", False) for w in fitting) >= 8
    assert sum(w.get("heldout", False) for w in fitting) >= 2


def test_wordings_that_name_labels_pair_with_answers_in_that_language():
    for wording in load(REPO / "configs" / "tasks" / "sentiment.yaml")["wordings"]:
        for labels, language in ((("긍정", "부정"), "ko"), (("positive", "negative"), "en")):
            if any(label in wording["text"] for label in labels):
                assert wording["when"]["language"] == language, wording["id"]


def test_translation_wordings_name_the_language_they_pair_with():
    named = {"ko": ("한국어", "Korean"), "en": ("영어", "English")}
    for wording in load(REPO / "configs" / "tasks" / "translation.yaml")["wordings"]:
        language = wording["when"]["language"]
        other = "en" if language == "ko" else "ko"
        assert any(name in wording["text"] for name in named[language]), wording["id"]
        if any(name in wording["text"] for name in named[other]):
            assert wording["when"]["input_language"] == other, wording["id"]


def test_the_quickstart_config_reads_every_file_of_the_corpus():
    config = REPO / "configs" / "quickstart.yaml"
    data = DataConfig.model_validate(load(config)["data"])
    paths = [
        path
        for source in data.sources
        for path in ([source.path] if isinstance(source.path, str) else source.path)
    ]
    named = {resolve_path(path, config.parent).resolve() for path in paths}
    unused = {CORPUS / ENGLISH_REVIEWS}
    assert named == {path for path in CORPUS.iterdir() if path.suffix != ".md"} - unused
    assert {source.task for source in data.sources} == set(TASKS)
    assert all(source.licence == "Apache-2.0" for source in data.sources)


def test_the_readme_counts_the_rows():
    readme = (CORPUS / "README.md").read_text(encoding="utf-8")
    counts = {task: len(texts) for task, texts in texts_by_task().items()}
    assert f"{sum(counts.values())} small rows" in readme
    for task, count in counts.items():
        assert re.search(rf"\| {task} \| {count}( pairs)? \|", readme), (task, count)
    assert f"| `{ENGLISH_REVIEWS}` |" in readme
    assert f"| {len(read_reviews(ENGLISH_REVIEWS))} |" in readme
