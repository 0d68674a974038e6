"""Which columns init takes: pairs by the words of their names, texts of one kind, verdicts, headers."""

import json
from pathlib import Path

import pytest

from data_pipeline.sources import expand, read
from hunmin.errors import InputError
from launcher.config import load
from launcher.init.column_names import read_name
from launcher.init.column_roles import choose_columns, is_header
from launcher.init.detect import detect
from launcher.init.detected import Detected, Hints, parse_columns
from launcher.init.write import init

TEXTS = ("오늘 산 가방이 마음에 든다", "배송이 늦어서 화가 났다", "색이 사진과 달라요", "또 사고 싶습니다")


def chosen(header: str, *rows: str, given: dict[str, str] | None = None) -> dict[str, str]:
    """The columns of a table that is written with | between its fields."""
    names = header.split("|")
    cells = [dict(zip(names, row.split("|"), strict=True)) for row in rows]
    return choose_columns(Path("a.tsv"), given or {}, names, cells).columns


def detected(path: Path, text: str, hints: Hints = Hints()) -> Detected:  # noqa: B008
    path.write_text(text, encoding="utf-8")
    (one,) = detect([path], hints)
    return one


def kept(base: Path, **options: object) -> list[tuple[str | None, str | None, str]]:
    """(instruction, input, answer) of the rows that the written config reads."""
    config, folder = load(base / "my.yaml", [])
    (source,) = config.data.sources
    rows = [row for unit in expand(source, index=0, base=folder) for row in read(unit, source)]
    return [
        (row["fields"]["instruction"], row["fields"]["input"], row["fields"]["answer"])
        for row in rows
        if "reason" not in row
    ]


@pytest.mark.parametrize("long", [0, 1])
@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("Text_origin|Label_origin", "Text|Label", "Text|Label"),
        ("new_text|new_label", "text|label", "text|label"),
        ("text_en|label_en", "text_ko|label_ko", "text_ko|label_ko"),
        ("text_orig|label_orig", "text_kr|label_kr", "text_kr|label_kr"),
        ("textOrig|labelOrig", "text|label", "text|label"),
        ("text1|label1", "text2|label2", "text1|label1"),
        ("원본문장|원본라벨", "문장|라벨", "문장|라벨"),
        ("라벨 내용(영어)|라벨(영어)", "내용(한국어)|라벨(한국어)", "내용(한국어)|라벨(한국어)"),
        ("review_old|rating_old", "review_new|rating_new", "review_old|rating_old"),
    ],
)
def test_columns_with_the_same_words_belong_together_however_long_their_texts(
    one: str, other: str, wanted: str, long: int
) -> None:
    pairs = [one, other]
    more = " 그리고 이 글은 훨씬 깁니다"
    rows = [
        "|".join(f"{text}{more if long == place else ''}|{(i + place) % 2}" for place in (0, 1))
        for i, text in enumerate(TEXTS)
    ]
    columns = chosen("|".join(pairs), *rows)
    asked, label = wanted.split("|")
    assert columns == {"input": asked, "label": label}


def test_the_other_pair_is_a_question_with_what_to_type(tmp_path: Path) -> None:
    rows = "".join(f"{i}\t{i % 2}\t{text} 그래요\t{1 - i % 2}\t{text}\n" for i, text in enumerate(TEXTS))
    header = "ID\tLabel_origin\tText_origin\tLabel\tText\n"
    one = detected(tmp_path / "a.tsv", header + rows)
    (question,) = one.decide
    assert question.endswith("--column input=Text_origin --column label=Label_origin")
    given = parse_columns(["label=Label_origin"])
    again = detected(tmp_path / "a.tsv", header + rows, Hints(columns=given))
    assert again.source.columns == {"label": "Label_origin", "input": "Text_origin"}


@pytest.mark.parametrize(
    ("header", "row", "wanted"),
    [
        ("premise|hypothesis|gold_label", "비가 온다|날이 맑다|{r}", "{premise}\n\n{hypothesis}"),
        ("전제|가설|라벨", "비가 온다|날이 맑다|{r}", "{전제}\n\n{가설}"),
        ("sentence1|sentence2|label", "비가 온다|날이 맑다|{r}", "{sentence1}\n\n{sentence2}"),
        ("Text_A|Text_B|Label", "비가 온다|날이 맑다|{r}", "{Text_A}\n\n{Text_B}"),
        ("question|question2|is_duplicate", "비가 오나요?|맑나요?|{b}", "{question}\n\n{question2}"),
        ("label|앞 문장|뒤 문장", "{r}|비가 온다|날이 맑다", "{앞 문장}\n\n{뒤 문장}"),
    ],
)
def test_two_texts_and_a_label_are_one_input(header: str, row: str, wanted: str) -> None:
    relations = ("entailment", "neutral", "contradiction")
    rows = [row.format(r=relations[i % 3], b=i % 2) for i in range(9)]
    columns = chosen(header, *rows)
    assert columns["input"] == wanted
    assert set(columns) == {"input", "label"}


@pytest.mark.parametrize(
    ("values", "labels", "task"),
    [
        (("entailment", "neutral", "contradiction"), {"entailment", "neutral", "contradiction"}, "nli"),
        (("함의", "중립", "모순"), {"함의", "중립", "모순"}, "nli"),
        (("0", "1", "2"), {"함의", "중립", "모순"}, "nli"),
    ],
)
def test_the_relation_of_two_texts_is_natural_language_inference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: tuple[str, ...], labels: set[str], task: str
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"premise": f"비가 {i}번 온다", "hypothesis": "맑다", "label": values[i % 3]} for i in range(9)]
    (tmp_path / "a.json").write_text(json.dumps(rows, ensure_ascii=False))
    written = init([Path("a.json")], out=Path("my.yaml"), hints=Hints(), ask=None)
    assert load(tmp_path / "my.yaml", [])[0].data.sources[0].task == task
    assert {answer for _, _, answer in kept(tmp_path)} == labels
    assert any("is it so?" in line for line in written.decide) == (values[0] == "0")


def test_a_verdict_becomes_a_filter_and_a_score_a_question(tmp_path: Path) -> None:
    rows = [
        {
            "question": f"{i}번은 무엇인가?",
            "question_en": f"What, in some detail, is number {i}?",
            "response": f"{i}번입니다.",
            "response_en": f"It certainly is number {i}, as everybody knows.",
            "acceptable?": i % 2,
            "score": i + 1,
        }
        for i in range(4)
    ]
    one = detected(tmp_path / "a.json", json.dumps(rows))
    assert one.source.columns == {"instruction": "question", "answer": "response"}
    assert [(rule.column, rule.values) for rule in one.source.filters] == [("acceptable?", ("1",))]
    assert any("--column instruction=question_en --column answer=response_en" in line for line in one.decide)
    assert any(line.startswith("filters: acceptable?") for line in one.decide)
    assert any(line.startswith("score (1, 2, 3, 4) is not used") for line in one.decide)


@pytest.mark.parametrize(
    ("name", "yes"), [("is_valid", "Y"), ("적합 여부", "예"), ("검수통과", "O"), ("Approved", "true")]
)
def test_a_verdict_is_known_by_its_name_and_values(tmp_path: Path, name: str, yes: str) -> None:
    no = {"Y": "N", "예": "아니오", "O": "X", "true": "false"}[yes]
    rows = "".join(f"{i}번은?,{i}번입니다,{yes if i % 2 else no}\n" for i in range(4))
    one = detected(tmp_path / "a.csv", f"질문,답변,{name}\n{rows}")
    assert [(rule.column, rule.values) for rule in one.source.filters] == [(name, (yes,))]


def test_label_columns_of_equal_right_are_asked_for(tmp_path: Path) -> None:
    body = "".join(f"{text}\t{i % 2 == 0}\t{'none' if i % 2 else 'hate'}\n" for i, text in enumerate(TEXTS))
    with pytest.raises(InputError) as error:
        detected(tmp_path / "a.tsv", "comments\tgender_bias\thate\n" + body)
    assert "\n  --column label=gender_bias\n  --column label=hate" in str(error.value)
    one = detected(
        tmp_path / "a.tsv", "comments\tgender_bias\thate\n" + body, Hints(columns={"label": "hate"})
    )
    assert one.source.columns == {"input": "comments", "label": "hate"}
    assert one.decide[0].startswith("gender_bias (True, False) is not used")


def test_an_answer_of_few_words_that_nothing_asks_for_is_a_label() -> None:
    rows = [f"{text}|{'True' if i % 2 else 'FALSE'}" for i, text in enumerate(TEXTS)]
    assert chosen("text|answer", *rows) == {"input": "text", "label": "answer"}
    asked = [f"{text}|그런가요?|{'True' if i % 2 else 'FALSE'}" for i, text in enumerate(TEXTS)]
    columns = chosen("text|question|answer", *asked)
    assert columns == {"input": "text", "instruction": "question", "answer": "answer"}


def test_headers_may_be_numbers_above_texts_and_equal_cells_are_two_columns(tmp_path: Path) -> None:
    texts = [{"1": "밑단을 잘랐다", "2": "벨트를 샀다"}, {"1": "우산을 폈다", "2": "모자를 샀다"}]
    assert is_header(["1", "2"], texts)
    assert not is_header(["1", "2"], [{"1": "3", "2": "글"}])
    assert not is_header(["본문", "1"], [{"본문": "글", "1": "0"}])
    body = "0\t0\t메일을 비울까?\n0\t0\t메일을 다 지울까?\n1\t0\t불을 끌까?\n1\t1\t불 꺼 줘\n"
    with pytest.raises(InputError, match="--column label=column1\n  --column label=column2"):
        detected(tmp_path / "a.tsv", body)
    one = detected(tmp_path / "a.tsv", body, Hints(task="kind", columns={"label": "column2"}))
    assert one.source.header == ("column1", "column2", "column3")
    assert one.values == {"0": 3, "1": 1}


def test_names_are_read_by_their_words() -> None:
    assert read_name("answers.0.text")[:2] == ("answer", ())
    assert read_name("answer_start").role is None
    assert read_name("question_type").role is None
    assert read_name("labels.binary-label")[:2] == ("label", ("binary",))
    assert read_name("수정라벨")[:2] == ("label", ("수정",))
    assert read_name("평점(1-5)")[:2] == ("label", ())
    assert read_name("canonical_solution").role == "answer"


def test_texts_with_columns_may_be_typed(tmp_path: Path) -> None:
    rows = "".join(f"{i}번 글,{text},{i % 2}\n" for i, text in enumerate(TEXTS))
    given = parse_columns([r"input={제목}\n\n{본문}", "label=종류"])
    one = detected(tmp_path / "a.csv", "제목,본문,종류\n" + rows, Hints(task="kind", columns=given))
    assert one.source.columns["input"] == "{제목}\n\n{본문}"
    with pytest.raises(InputError, match=r"no column 본문들 .*did you mean 본문\?"):
        detected(tmp_path / "a.csv", "제목,본문,종류\n" + rows, Hints(columns={"input": "{제목} {본문들}"}))
