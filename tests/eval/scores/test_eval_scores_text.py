"""BLEU, chrF, ROUGE: perfect for equal Korean texts, equal to the libraries' own values elsewhere."""

import unicodedata
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from eval.scores.intervals import value_of
from eval.scores.metric import Metric, Reference
from eval.scores.overlap import cut, metrics

METRICS = {metric.name: metric for metric in metrics()}
PERFECT = {name: 100.0 if metric.unit == "%" else 1.0 for name, metric in METRICS.items()}

SYLLABLES = st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3)
OTHERS = st.characters(codec="utf-8")
KOREAN = st.lists(
    st.one_of(SYLLABLES, SYLLABLES, st.just(" "), st.sampled_from(".,!?\n0aZ"), OTHERS), max_size=60
)

ANSWERS = ["나는 어제 학교에 갔다.", "정말 재미있는 영화였습니다", "고양이", ""]
TRUTHS = ["나는 오늘 학교에 간다.", "정말 재미있는 영화였습니다", "강아지가 정원에서 뛰어놀고 있다", "네"]


def score(metric: Metric, answers: list[str], truths: list[str], language: str = "ko") -> float:
    references = [Reference([truth], language, None) for truth in truths]
    return value_of(metric.statistics(answers, references), metric.aggregate)


@settings(max_examples=150, deadline=None)
@given(KOREAN.map("".join))
def test_identical_korean_texts_are_perfect_in_nfc_and_nfd(text: str) -> None:
    nfc, nfd = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    assume(len(cut(text, "ko-mecab")) >= 4)
    for name, metric in METRICS.items():
        for answer, truth in ((nfc, nfc), (nfd, nfc), (nfc, nfd)):
            assert score(metric, [answer], [truth]) == pytest.approx(PERFECT[name]), (name, text)


def test_texts_below_four_tokens_get_the_librarys_value_and_are_counted() -> None:
    short = [
        Reference(["좋아요"], "ko", None),
        Reference(["좋아"], "ko", None),
        Reference(["네"], "ko", None),
    ]
    undefined = {name: METRICS[name].num_undefined(short) for name in METRICS}
    assert undefined == dict.fromkeys(METRICS, 0) | {"bleu": 3, "rouge2": 1, "rouge2_char": 1}
    assert (
        score(METRICS["bleu"], ["네"], ["네"])
        == 0.0
        == BLEU(tokenize="ko-mecab").corpus_score(["네"], [["네"]]).score
    )
    assert score(METRICS["rouge2"], ["네"], ["네"]) == 0.0
    assert score(METRICS["rouge1"], ["네"], ["네"]) == 1.0


@pytest.mark.parametrize(("language", "tokenizer"), [("ko", "ko-mecab"), ("en", "13a")])
def test_bleu_and_chrf_equal_sacrebleus_own_corpus_scores(language: str, tokenizer: str) -> None:
    mine = score(METRICS["bleu"], ANSWERS, TRUTHS, language)
    assert mine == pytest.approx(BLEU(tokenize=tokenizer).corpus_score(ANSWERS, [TRUTHS]).score, abs=1e-9)
    assert 0 < mine < 100
    assert score(METRICS["chrf"], ANSWERS, TRUTHS, language) == pytest.approx(
        CHRF().corpus_score(ANSWERS, [TRUTHS]).score, abs=1e-9
    )


def test_several_references_equal_sacrebleus_and_the_best_counts_for_rouge() -> None:
    second: list[str | None] = ["나는 어제 학교에 갔다.", None, "고양이", None]
    references = [
        Reference([text for text in pair if text is not None], "ko", None)
        for pair in zip(TRUTHS, second, strict=True)
    ]
    streams = [TRUTHS, second]
    for name, theirs in (("bleu", BLEU(tokenize="ko-mecab")), ("chrf", CHRF())):
        metric = METRICS[name]
        mine = value_of(metric.statistics(ANSWERS, references), metric.aggregate)
        assert mine == pytest.approx(theirs.corpus_score(ANSWERS, streams).score, abs=1e-9)  # type: ignore[arg-type]
    rouge = METRICS["rouge1"].statistics(ANSWERS, references)[:, 0]
    assert rouge.tolist() == [1.0, 1.0, 1.0, 0.0]


def test_sentence_values_equal_sacrebleus() -> None:
    references = [Reference([truth], "ko", None) for truth in TRUTHS]
    for name, theirs in (("bleu", BLEU(tokenize="ko-mecab", effective_order=True)), ("chrf", CHRF())):
        metric = METRICS[name]
        mine = metric.per_sample(metric.statistics(ANSWERS, references))
        pairs = zip(ANSWERS, TRUTHS, strict=True)
        expected = [theirs.sentence_score(answer, [truth]).score for answer, truth in pairs]
        assert mine is not None
        np.testing.assert_allclose(mine, expected, atol=1e-9)


def test_rouge_worked_by_hand() -> None:
    # 나 는 어제 학교 에 갔 다 .   against   나 는 오늘 학교 에 간다 .
    assert " ".join(cut("나는 어제 학교에 갔다.", "ko-mecab")) == "나 는 어제 학교 에 갔 다 ."
    assert " ".join(cut("나는 오늘 학교에 간다.", "ko-mecab")) == "나 는 오늘 학교 에 간다 ."
    answer, truth = ["나는 어제 학교에 갔다."], ["나는 오늘 학교에 간다."]
    assert score(METRICS["rouge1"], answer, truth) == pytest.approx(2 * 5 / (8 + 7))  # 나 는 학교 에 .
    assert score(METRICS["rouge2"], answer, truth) == pytest.approx(2 * 2 / (7 + 6))  # 나-는, 학교-에
    assert score(METRICS["rougeL"], answer, truth) == pytest.approx(2 * 5 / (8 + 7))
    assert score(METRICS["rougeL_char"], ["가나 다"], ["가다"]) == pytest.approx(2 * 2 / (3 + 2))


class Given:
    """Tokens as they are."""

    @staticmethod
    def tokenize(tokens: list[str]) -> list[str]:
        return tokens


WORDS = [
    "나는",
    "어제",
    "학교에",
    "갔다",
    "정말",
    "영화였습니다.",
    "했어요",
    "the",
    "quick",
    "brown",
    "fox",
    "3",
    "Dogs!",
]
TEXT = st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join)


@settings(max_examples=400, deadline=None)
@given(TEXT, st.lists(TEXT, min_size=1, max_size=3), st.sampled_from(["ko", "en", "other"]))
def test_rouge_equals_rouge_scores_own_over_the_same_tokens(
    answer: str, truths: list[str], language: str
) -> None:
    reference = Reference(truths, language, None)
    for name in ("rouge1", "rouge2", "rougeL", "rouge1_char", "rouge2_char", "rougeL_char"):
        metric, kind = METRICS[name], name.removesuffix("_char")
        by = str(metric.tokenizer([reference]))
        theirs = RougeScorer([kind], tokenizer=Given()).score_multi(
            [cut(truth, by) for truth in truths],  # type: ignore[arg-type]
            cut(answer, by),  # type: ignore[arg-type]
        )
        assert metric.statistics([answer], [reference])[0, 0] == theirs[kind].fmeasure


def test_english_rouge_is_rouge_scores_own() -> None:
    answer, truth = "The quick brown fox!", "A quick, brown dog."
    theirs = RougeScorer(["rouge1", "rouge2", "rougeL"]).score(truth, answer)
    for name, value in theirs.items():
        assert score(METRICS[name], [answer], [truth], "en") == pytest.approx(value.fmeasure)


def test_the_tokenizer_follows_the_language_and_is_named() -> None:
    bleu, rouge = METRICS["bleu"], METRICS["rougeL"]
    korean, english = Reference(["안녕하세요"], "ko", None), Reference(["hello"], "en", None)
    unknown = Reference(["안녕 hello"], "und", None)
    assert bleu.tokenizer([korean, unknown]) == "ko-mecab"
    assert bleu.tokenizer([korean, english, korean]) == "13a (1), ko-mecab (2)"
    assert rouge.tokenizer([english]) == "rouge-score"
    assert rouge.tokenizer([Reference(["Привет, мир"], "other", None)]) == "words"
    for text in ("こんにちは、世界", "今天天气很好", "อากาศวันนี้ดีมาก"):
        unspaced = [Reference([text], "other", None)]
        assert (bleu.tokenizer(unspaced), rouge.tokenizer(unspaced)) == ("char", "characters")
    assert bleu.tokenizer([Reference(["漢字 한글 섞어 쓰기"], "ko", None)]) == "ko-mecab"
    assert METRICS["rougeL_char"].tokenizer([korean, english]) == "characters"


def test_texts_without_spaces_score_as_the_libraries_cut_them_into_characters() -> None:
    answers, truths = ["今天天气很好。", "我在看书"], ["今天天气非常好。", "我昨天看了书"]
    assert score(METRICS["bleu"], answers, truths, "other") == pytest.approx(
        BLEU(tokenize="char").corpus_score(answers, [truths]).score
    )
    spaced = [" ".join(text) for text in (*answers, *truths)]
    scorer = RougeScorer(["rougeL"], tokenizer=SimpleNamespace(tokenize=str.split))  # type: ignore[arg-type]
    wanted = [scorer.score(spaced[at + 2], spaced[at])["rougeL"].fmeasure for at in range(2)]
    assert score(METRICS["rougeL"], answers, truths, "other") == pytest.approx(sum(wanted) / 2)


def test_a_nul_in_an_answer_does_not_hide_the_rest() -> None:
    # MeCab ends a text at NUL: without care all that follows would be free of cost.
    clean, dirty = "나는 학교에 갔다.", "나는 학교에 갔다.\0아무 말이나 계속 이어집니다"
    assert score(METRICS["rouge1"], [dirty], [clean]) < 1
    assert score(METRICS["bleu"], [dirty], [clean]) < 100
