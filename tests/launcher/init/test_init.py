"""`hunmin init` on files as people have them: what is detected is what the data stage reads."""

import json
import re
import shlex
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from command_line import hunmin

from data_pipeline.build.inputs import check_sources
from data_pipeline.sources import expand, read
from hunmin.errors import InputError
from launcher.config import load
from launcher.init import write
from launcher.init.column_roles import is_header
from launcher.init.detected import Hints, parse_columns
from launcher.init.label_values import number, sentiment_labels
from launcher.init.write import Written, as_text, init

ROOT = Path(__file__).resolve().parents[3]
TEXTS = ("배송이 빨라서 좋아요", "포장이 엉망이었습니다", "또 사고 싶습니다", "다시는 안 삽니다")


def texts(count: int) -> list[str]:
    return [f"{TEXTS[i % 4]} {i}" for i in range(count)]


def rows(*columns: str, count: int = 40, sep: str = ",") -> str:
    """A table's body; in a column's pattern {t} is a text and {i} a number, {i%2} and so on are computed."""
    lines = []
    for i, text in enumerate(texts(count)):
        values = {"t": text, "i": i, "i2": i % 2, "i3": i % 3, "i5": i % 5 + 1, "i10": i % 10 + 1}
        lines.append(sep.join(column.format(**values) for column in columns))
    return "\n".join(lines) + "\n"


def pairs(one: str, other: str, values: tuple[str, ...], sep: str = ",") -> str:
    """A header and rows of a text and one of a few values."""
    body = "".join(f"{text}{sep}{values[i % len(values)]}\n" for i, text in enumerate(texts(40)))
    return f"{one}{sep}{other}\n{body}"


def objects(*keys: str, lines: bool = True) -> str:
    made = [{key: f"{key} {text}" for key in keys} for text in texts(30)]
    if lines:
        return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in made)
    return json.dumps(made, ensure_ascii=False, indent=1)


# file name, its text, its encoding, hints -> what the source must say
DIRTY: dict[str, tuple[str, str, str, Hints, dict]] = {
    "bom, CRLF, a rating and brackets in the header": (
        "a.csv",
        "\ufeffid,리뷰 내용,평점(1-5)\n".replace("\n", "\r\n")
        + rows("{i}", '"{t}"', "{i5}").replace("\n", "\r\n"),
        "utf-8",
        Hints(),
        {
            "task": "sentiment",
            "columns": {"input": "리뷰 내용", "label": "평점(1-5)"},
            "labels": {"1": "부정", "2": "부정", "4": "긍정", "5": "긍정"},
        },
    ),
    "cp949 with Korean label words": (
        "a.csv",
        pairs("본문", "감정", ("긍정", "부정", "중립")),
        "cp949",
        Hints(),
        {"encoding": "cp949", "task": "sentiment", "labels": {"긍정": "긍정", "부정": "부정"}},
    ),
    "utf-16 as spreadsheets save it": (
        "a.csv",
        "\ufeff" + pairs("text", "sentiment", ("좋음", "나쁨")),
        "utf-16-le",
        Hints(),
        {"task": "sentiment", "labels": {"좋음": "긍정", "나쁨": "부정"}},
    ),
    "tabs in a .txt": (
        "nsmc_ratings.txt",
        pairs("document", "label", ("0", "1"), sep="\t"),
        "utf-8",
        Hints(),
        {"delimiter": "tab", "task": "sentiment", "labels": {"0": "부정", "1": "긍정"}},
    ),
    "semicolons in a .csv, English, ten stars": (
        "a.csv",
        "Text;Rating\n" + rows("nice thing {i}", "{i10}", sep=";"),
        "utf-8",
        Hints(),
        {"delimiter": "semicolon", "columns": {"input": "Text", "label": "Rating"}},
    ),
    "no header": (
        "a.tsv",
        pairs("이것은 첫 줄입니다.", "neg", ("pos", "neg"), sep="\t"),
        "utf-8",
        Hints(),
        {"header": ("column1", "column2"), "columns": {"input": "column1", "label": "column2"}},
    ),
    "quotes around the fields of a .tsv": (
        "a.tsv",
        '"review"\t"score"\n' + rows('"{t}"', '"{i2}"', sep="\t"),
        "utf-8",
        Hints(),
        {"quoted": True, "task": "sentiment"},
    ),
    "a quote that never closes": (
        "a.csv",
        pairs("review", "score", ("0", "1")) + '"열린 따옴표,1\n' + "좋아요,1\n" * 3,
        "utf-8",
        Hints(),
        {"quoted": False},
    ),
    "an index without a name, yes and no": (
        "a.csv",
        ",comment,is_good\n" + rows("{i}", "{t}", "{i2}").replace(",1\n", ",yes\n").replace(",0\n", ",no\n"),
        "utf-8",
        Hints(task="good"),
        {"task": "good", "columns": {"input": "comment", "label": "is_good"}},
    ),
    "spaces around names, a context in quotes": (
        "a.csv",
        "Question , Answer ,context\n" + rows("무엇인가요 {i}?", "{i}번", '"문서 {i}, 여기"'),
        "utf-8",
        Hints(),
        {
            "task": "question_answering",
            "columns": {"instruction": "Question", "input": "context", "answer": "Answer"},
        },
    ),
    "topics of its own": (
        "a.csv",
        pairs("기사", "분야", ("정치", "경제", "문화")),
        "utf-8",
        Hints(task="topic"),
        {"task": "topic", "columns": {"input": "기사", "label": "분야"}},
    ),
    "languages as columns": (
        "a.csv",
        "idx,korean,english\n" + rows("{i}", "{t}", "thing {i}"),
        "utf-8",
        Hints(),
        {"task": "translation", "columns": {"input": "korean", "answer": "english"}},
    ),
    "stars drawn": (
        "a.csv",
        pairs("user_review", "stars", ("★☆☆☆☆", "★★★☆☆", "★★★★★")),
        "utf-8",
        Hints(),
        {"labels": {"★☆☆☆☆": "부정", "★★★★★": "긍정"}},
    ),
    "the user's word on columns": (
        "a.csv",
        "c1,c2,c3\n" + rows("{i}", "{t}", "{t}!"),
        "utf-8",
        Hints(task="conversation", columns={"input": "c2", "answer": "c3"}),
        {"columns": {"input": "c2", "answer": "c3"}, "task": "conversation"},
    ),
    "JSON lines with a document and a summary": (
        "a.jsonl",
        objects("doc_id", "document", "summary"),
        "utf-8",
        Hints(),
        {"format": "table", "task": "summarization", "columns": {"input": "document", "answer": "summary"}},
    ),
    "prompt and completion": (
        "a.jsonl",
        objects("prompt", "completion"),
        "utf-8",
        Hints(),
        {"format": "table", "columns": {"instruction": "prompt", "answer": "completion"}},
    ),
    "Alpaca over many lines": (
        "a.json",
        objects("instruction", "input", "output", lines=False),
        "utf-8",
        Hints(),
        {"format": "alpaca"},
    ),
    "ShareGPT": (
        "a.json",
        json.dumps(
            [
                {"id": t, "conversations": [{"from": "human", "value": t}, {"from": "gpt", "value": "네"}]}
                for t in texts(30)
            ]
        ),
        "utf-8",
        Hints(),
        {"format": "sharegpt"},
    ),
    "messages": (
        "a.jsonl",
        "".join(
            json.dumps({"messages": [{"role": "user", "content": t}, {"role": "assistant", "content": "네"}]})
            + "\n"
            for t in texts(30)
        ),
        "utf-8",
        Hints(),
        {"format": "messages"},
    ),
    "Natural Instructions on one line": (
        "a.json",
        json.dumps(
            {"Definition": ["답하세요."], "Instances": [{"input": t, "output": ["네"]} for t in texts(30)]}
        ),
        "utf-8",
        Hints(),
        {"format": "natural_instructions"},
    ),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def made(files: list[Path], hints: Hints = Hints(), ask: str | None = None) -> Written:  # noqa: B008
    return init(files, out=Path("my.yaml"), hints=hints, ask=ask)


@pytest.mark.parametrize("name", DIRTY)
def test_dirty_files_become_configs_that_the_data_stage_accepts(here: Path, name: str) -> None:
    file, text, encoding, hints, wanted = DIRTY[name]
    made([written(here / file, text, encoding)], hints)
    config, base = load(here / "my.yaml", [])
    (source,) = config.data.sources
    assert {key: getattr(source, key) for key in wanted} == wanted
    check_sources(config.data, base=base)
    found = [row for unit in expand(source, index=0, base=base) for row in read(unit, source)]
    assert sum("reason" not in row for row in found) > len(found) / 2


TREES = [
    {
        "message_tree_id": str(number),
        "prompt": {
            "message_id": f"q{number}",
            "text": text,
            "role": "prompter",
            "replies": [
                {"message_id": f"a{number}", "text": f"{text} 네.", "role": "assistant", "replies": []}
            ],
        },
    }
    for number, text in enumerate(texts(30))
]
CATALOGUE = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n' + "".join(
    f'msgid "Open file number {number}"\nmsgstr "{number}번 파일 열기"\n\n' for number in range(30)
)


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("a.parquet", {"format": "table", "columns": {"input": "review", "label": "label"}}),
        ("a.arrow", {"format": "alpaca"}),
        ("a.jsonl", {"format": "oasst"}),
        ("a.po", {"format": "gettext", "languages": ("en", "ko"), "task": "translation"}),
    ],
)
def test_files_that_are_no_text_and_trees_and_catalogues(
    here: Path, file: str, wanted: dict[str, Any]
) -> None:
    path = here / file
    if file == "a.parquet":
        labels = ["긍정", "부정"] * 15
        pq.write_table(pa.table({"review": texts(30), "label": labels}), path)
    elif file == "a.arrow":
        table = pa.table({"instruction": texts(30), "output": [f"{text}!" for text in texts(30)]})
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    elif file == "a.jsonl":
        path.write_text("\n".join(json.dumps(tree, ensure_ascii=False) for tree in TREES))
    else:
        path.write_text(CATALOGUE)
    made([path])
    config, base = load(here / "my.yaml", [])
    (source,) = config.data.sources
    assert {key: getattr(source, key) for key in wanted} == wanted
    found = [row for unit in expand(source, index=0, base=base) for row in read(unit, source)]
    assert sum("reason" not in row for row in found) >= 30


def test_what_cannot_be_learnt_of_such_files_is_said(here: Path) -> None:
    german = written(here / "de.po", CATALOGUE.replace("번 파일 열기", " 파일").replace("파일", "öffnen"))
    with pytest.raises(InputError, match="seem to be en and their translations en"):
        made([german])
    waiting = written(here / "wait.po", re.sub(r'msgstr "\d.*', 'msgstr ""', CATALOGUE))
    with pytest.raises(InputError, match="30 entries, and none has a finished translation"):
        made([waiting])
    pq.write_table(pa.table({"review": pa.array([], pa.string())}), here / "empty.parquet")
    with pytest.raises(InputError, match="Parquet without a row"):
        made([here / "empty.parquet"])


def test_two_texts_become_a_pair_and_equal_files_one_source(here: Path) -> None:
    one = written(here / "news.ko.txt", "".join(f"{text}\n" for text in texts(30)))
    other = written(here / "news.en.txt", "".join(f"a thing {i}\n" for i in range(30)))
    made([one, other])
    (source,) = load(here / "my.yaml", [])[0].data.sources
    assert (source.format, source.languages, source.directions) == ("parallel", ("ko", "en"), "both")
    (here / "my.yaml").unlink()
    tables = [written(here / f"{name}.tsv", pairs("리뷰", "별점", ("1", "5"), "\t")) for name in "ab"]
    made([*tables, written(here / "c.csv", pairs("text", "label", ("긍정", "부정")))])
    sources = load(here / "my.yaml", [])[0].data.sources
    assert [(source.name, source.path) for source in sources] == [("a", ("a.tsv", "b.tsv")), ("c", "c.csv")]


def test_a_task_of_its_own_gets_a_file_with_labels_and_a_wording(here: Path) -> None:
    file = written(here / "a.csv", pairs("기사", "분야", ("정치", "경제")))
    result = made([file], Hints(task="topic"))
    task = yaml.safe_load((here / "tasks" / "topic.yaml").read_text(encoding="utf-8"))
    assert task["labels"] == ["경제", "정치"]
    assert task["wordings"][0]["text"] == "다음 글을 경제, 정치 가운데 하나로 분류해 주세요."
    assert [path.name for path in result.files] == ["my.yaml", "topic.yaml"]
    (here / "my.yaml").unlink()
    with pytest.raises(InputError, match="exists already"):
        made([file], Hints(task="topic"))
    assert not (here / "my.yaml").exists()


def test_the_account_adds_up_and_shows_why(here: Path) -> None:
    body = pairs("리뷰", "별점", ("1", "5")) + "열이,너무,많다\n" + "모르는 값,모름\n" + ",5\n"
    result = made([written(here / "a.csv", body)], Hints(task="sentiment", columns={}))
    lines = as_text(result).splitlines()
    assert "  43 records read: 40 kept, 3 rejected" in lines
    reasons = {line.split()[0] for line in lines if line.startswith("    ")}
    assert reasons == {"broken_row", "label_not_mapped", "no_prompt"}


def test_nothing_is_overwritten(here: Path) -> None:
    file = written(here / "a.csv", pairs("리뷰", "별점", ("1", "5")))
    (here / "my.yaml").write_text("mine")
    with pytest.raises(InputError, match=r"my\.yaml exists already; name another with --out"):
        made([file])
    assert (here / "my.yaml").read_text() == "mine"


def test_names_that_yaml_would_take_for_something_else(here: Path) -> None:
    text = 'yes,"a: #b"\n' + rows("{t}", "{i2}").replace(",1\n", ",on\n").replace(",0\n", ",null\n")
    made([written(here / "it's 1.csv", text)],
         Hints(task="odd", columns={"input": "yes", "label": "a: #b"}))  # fmt: skip
    (source,) = load(here / "my.yaml", [])[0].data.sources
    assert source.columns == {"input": "yes", "label": "a: #b"}
    assert source.path == "it's 1.csv"


def test_labels_are_those_of_the_whole_file_however_it_is_sorted(here: Path) -> None:
    body = "".join(f"글 {i} 입니다,{'정치' if i < 2500 else '경제'}\n" for i in range(5000))
    result = made([written(here / "f.csv", "기사,분야\n" + body)], Hints(task="topica"))
    task = yaml.safe_load((here / "tasks" / "topica.yaml").read_text(encoding="utf-8"))
    assert task["labels"] == ["경제", "정치"]
    assert "5000 records read: 5000 kept, 0 rejected" in result.seen
    (here / "my.yaml").unlink()
    stars = "".join(f"글 {i} 입니다,{i // 2500}\n" for i in range(5000))
    made([written(here / "s.csv", "text,label\n" + stars)], Hints(task="sentiment"))
    assert load(here / "my.yaml", [])[0].data.sources[0].labels == {"0": "부정", "1": "긍정"}


def test_labels_in_json_are_those_of_the_whole_file_too(here: Path) -> None:
    body = "".join(json.dumps({"text": f"글 {i} 입니다", "label": i // 2500}) + "\n" for i in range(5000))
    made([written(here / "f.jsonl", body)], Hints(task="sentiment"))
    assert load(here / "my.yaml", [])[0].data.sources[0].labels == {"0": "부정", "1": "긍정"}


def test_the_account_counts_what_the_data_stage_will_reject(here: Path) -> None:
    """An answer of invisible signs passes the reader, and not the data stage."""
    objects = [{"instruction": f"물음 {i}", "output": "네" if i else "\u200b"} for i in range(10)]
    file = written(here / "a.json", json.dumps(objects))
    result = made([file])
    assert "10 records read: 9 kept, 1 rejected" in result.seen
    assert any(line.startswith("  empty_answer 1: record 1: ") for line in result.seen)


@pytest.mark.parametrize(
    "first",
    [
        "The body of this car is solid and I love it\t1",
        "정말 말 그대로 최고입니다\t1",
        "Great class, learned a lot\tgood",
        "이 영화 내용 정말 별로네요\tbad",
        "본문\t1",
    ],
)
def test_a_known_word_in_the_first_row_makes_it_no_header(here: Path, first: str) -> None:
    one, other = ("1", "0") if first.endswith("1") else ("good", "bad")
    body = "".join(f"{text}\t{one if i % 2 else other}\n" for i, text in enumerate(texts(39)))
    result = made([written(here / "a.tsv", f"{first}\n{body}")], Hints(task="sentiment"))
    assert load(here / "my.yaml", [])[0].data.sources[0].header == ("column1", "column2")
    assert "40 records read: 40 kept, 0 rejected" in result.seen


def test_a_header_of_several_words_is_one() -> None:
    assert is_header(["no", "리뷰 개요입니다", "별점"], [])
    assert is_header(["my first column", "other"], [])


def test_decomposed_labels_are_understood_and_kept_as_the_file_spells_them(here: Path) -> None:
    body = unicodedata.normalize("NFD", pairs("리뷰", "감정", ("긍정", "부정")))
    result = made([written(here / "a.csv", body)])
    (source,) = load(here / "my.yaml", [])[0].data.sources
    assert source.labels == {unicodedata.normalize("NFD", word): word for word in ("긍정", "부정")}
    assert "40 records read: 40 kept, 0 rejected" in result.seen
    (here / "my.yaml").unlink()
    result = made([here / "a.csv"], Hints(task="mood"))
    task = yaml.safe_load((here / "tasks" / "mood.yaml").read_text(encoding="utf-8"))
    assert task["labels"] == ["긍정", "부정"]
    assert "40 records read: 40 kept, 0 rejected" in result.seen


def test_rows_that_no_pack_can_hold_are_told_of(here: Path) -> None:
    def table(*lengths: int) -> str:
        return "질문,답변\n" + "".join(f"{'가나 다라' * (n // 5)} {i},네\n" for i, n in enumerate(lengths))

    result = made([written(here / "a.csv", table(*[100] * 15, *[6000] * 5))])
    assert any("data.seq_len: 25 % of the rows may be longer than its 2048" in one for one in result.decide)
    (here / "my.yaml").unlink()
    with pytest.raises(InputError, match="every row is longer than a pack of 2048 tokens"):
        made([written(here / "a.csv", table(*[6000] * 9))])
    assert not (here / "my.yaml").exists()


def test_paths_are_quoted_in_what_to_type(here: Path) -> None:
    file = written(here / "a.csv", pairs("리뷰", "별점", ("1", "5")))
    result = init([file], out=Path("it's mine.yaml"), hints=Hints(), ask=None)
    line = as_text(result).splitlines()[-1]
    assert shlex.split(line) == ["hunmin", "run", "it's mine.yaml"]
    records = [{"conversations": [{"from": "human", "value": "가"}, {"from": "gpt", "value": "나"}]}] * 2
    broken = written(here / "it's.json", json.dumps({"version": 1, "my 'data'": records}))
    with pytest.raises(InputError) as error:
        made([broken])
    command = str(error.value).split("save them alone: ")[1].replace("python3", sys.executable, 1)
    subprocess.run(command, shell=True, check=True)  # it is what the user types
    assert json.loads((here / "new.json").read_text()) == records


def test_columns_that_are_left_out_are_named(here: Path) -> None:
    result = made([written(here / "a.csv", "번호,리뷰,별점,날짜\n" + rows("{i}", "{t}", "{i5}", "오늘"))])
    assert "not used: 번호, 날짜" in result.seen


@pytest.mark.parametrize("error", [InputError("no"), KeyboardInterrupt(), RuntimeError("bug")])
def test_whatever_fails_nothing_stays(
    here: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(write, "check_sources", fail)
    file = written(here / "a.csv", pairs("기사", "분야", ("정치", "경제")))
    with pytest.raises(type(error)):
        made([file], Hints(task="topic"))
    assert list(here.iterdir()) == [file]
    (here / "tasks").mkdir()
    with pytest.raises(type(error)):
        made([file], Hints(task="topic"))
    assert (here / "tasks").is_dir()


def test_a_place_that_takes_no_file_is_one_message(here: Path) -> None:
    file = written(here / "a.csv", pairs("기사", "분야", ("정치", "경제")))
    command = ("init", file, "--task", "topic", "--out", "/proc/x.yaml")
    done = hunmin(*command, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 4, done.stderr
    assert re.fullmatch(r"hunmin: /proc/\S+: cannot be written \(.+\); name another .+\n", done.stderr)
    assert list(here.iterdir()) == [file]


REFUSED: dict[str, tuple[str, bytes | str, Hints, str]] = {
    "empty": ("a.csv", "", Hints(), "the file is empty"),
    "header alone": ("a.csv", "text,label\n", Hints(), "nothing below it"),
    "one column": ("a.csv", "text\n" + "글\n" * 5, Hints(), "one column only"),
    "no such column": ("a.csv", "text,label\n글,1\n", Hints(columns={"input": "txt"}), "did you mean text?"),
    "no such field": ("a.csv", "text,label\n글,1\n", Hints(columns={"inptu": "text"}), "did you mean input?"),
    "unclear columns": (
        "a.csv",
        "premise,hypothesis,gold\n" + rows("{t}", "{t}?", "{t}!"),
        Hints(),
        "--column input=NAME",
    ),
    "labels without a task": ("a.csv", pairs("기사", "분야", ("정치", "경제")), Hints(), "--task topic"),
    "0 and 1 of what": ("a.csv", pairs("text", "label", ("0", "1")), Hints(), "--task sentiment"),
    "no sentiment": (
        "a.csv",
        pairs("text", "label", ("정치", "경제")),
        Hints(task="sentiment"),
        "no sentiment",
    ),
    "answers without a task": ("a.csv", "text,output\n" + rows("{t}", "{t}!"), Hints(), "--ask"),
    "a task without words": (
        "a.csv",
        "text,output\n" + rows("{t}", "{t}!"),
        Hints(task="simplify"),
        "pass the instruction",
    ),
    "lines above the header": (
        "a.csv",
        "2023년 고객 의견,,\n\n번호,의견,만족\n" + rows("{i}", "{t}", "{i2}"),
        Hints(),
        "lines stand above",
    ),
    "latin-1": (
        "a.csv",
        ("text,label\n" + "café très été,1\n" * 9).encode("latin-1"),
        Hints(),
        "--encoding latin-1",
    ),
    "unknown encoding": ("a.csv", "text,label\n글,1\n", Hints(encoding="utf-9"), "unknown"),
    "gzip": ("a.csv.gz", b"\x1f\x8b\x08\x00rest", Hints(), "a gzip file"),
    "a binary": ("a.jsonl", bytes(range(256)) * 8, Hints(), "pass its encoding"),
    "cut off": ("a.json", '[{"instruction": "a", "output": "b"},', Hints(), "cut off"),
    "conversations below a key": (
        "a.json",
        json.dumps({"data": [{"messages": [{"role": "user", "content": "a"}]}] * 2}),
        Hints(),
        "conversations under data; save them alone",
    ),
    "plain text": ("a.txt", "한 줄\n두 줄\n", Hints(), "no answers to learn"),
    "nothing kept": (
        "a.jsonl",
        '{"instruction": "", "output": ""}\n' * 5,
        Hints(),
        "none of 5 records can be kept",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_unclear_is_asked_for_and_nothing_is_written(here: Path, name: str) -> None:
    file, content, hints, message = REFUSED[name]
    data = content.encode() if isinstance(content, str) else content
    (here / file).write_bytes(data)
    with pytest.raises(InputError) as error:
        made([here / file], hints)
    assert message in str(error.value)
    assert [path.name for path in here.iterdir()] == [file]


def test_missing_files_and_folders(here: Path) -> None:
    written(here / "reviews.csv", "text,label\n글,1\n")
    with pytest.raises(InputError, match=r"did you mean reviews\.csv\?"):
        made([Path("review.csv")])
    with pytest.raises(InputError, match=r"a folder; name its files: .*\*\.csv"):
        made([here])
    with pytest.raises(InputError, match="FIELD=COLUMN"):
        parse_columns(["text"])
    assert parse_columns(["input=a=b"]) == {"input": "a=b"}


def test_labels_of_a_scale_leave_its_middle_out() -> None:
    def labels(*values: str, language: str = "ko") -> dict[str, str] | None:
        return sentiment_labels(dict.fromkeys(values, 10), language)

    scale = labels(*map(str, range(11)), language="en")
    assert scale is not None
    assert {value for value, answer in scale.items() if answer == "negative"} == {"0", "1", "2", "3"}
    assert {value for value, answer in scale.items() if answer == "positive"} == {"7", "8", "9", "10"}
    assert labels("-1", "0", "1", language="en") == {"-1": "negative", "1": "positive"}
    assert labels("0.5", "4.5", "2점") == {"0.5": "부정", "2점": "부정", "4.5": "긍정"}
    parts = labels("0", "0.25", "0.5", "0.75", "1", language="en")
    assert parts == {"0": "negative", "0.25": "negative", "0.75": "positive", "1": "positive"}
    assert labels("1", "2", "3", "4") == {"1": "부정", "2": "부정", "3": "긍정", "4": "긍정"}
    assert labels("0", "1", "2", "3", "4") == {"0": "부정", "1": "부정", "3": "긍정", "4": "긍정"}
    assert labels("1", "2", "3", "3.5", "4") == {"1": "부정", "2": "부정", "3.5": "긍정", "4": "긍정"}
    assert labels("정치", "경제") is None
    assert labels("5") is None
    assert sentiment_labels({"긍정": 50, "부정": 50, "??": 3}, "ko") == {"긍정": "긍정", "부정": "부정"}
    assert sentiment_labels({"긍정": 50, "부정": 50, "정치": 40}, "ko") is None
    assert [number(text) for text in ("9점", "4.5/5", "★★☆", "좋음", "")] == [9.0, 4.5, 2.0, None, None]


def test_hints_win(here: Path) -> None:
    file = written(here / "a.csv", pairs("text", "label", ("긍정", "부정")))
    made([file], replace(Hints(), task="mood"))
    assert load(here / "my.yaml", [])[0].data.sources[0].task == "mood"


CHAT = [{"role": "user", "content": "가는?"}, {"role": "assistant", "content": "나입니다."}]


def test_conversations_as_json_text_are_read(here: Path) -> None:
    lines = [json.dumps({"messages": json.dumps(CHAT)}) for _ in range(3)]
    result = made([written(here / "a.jsonl", "\n".join(lines))])
    assert any("messages: conversations" in line for line in result.seen)


def test_what_rows_have_and_what_is_not_used_is_told(here: Path) -> None:
    turns = [CHAT[0], {**CHAT[1], "reasoning": "음", "id": 1}, CHAT[0], {**CHAT[1], "weight": 0}]
    lines = [json.dumps({"messages": turns, "source": f"s{i}", "tools": [{"name": "f"}]}) for i in range(3)]
    seen = "\n".join(made([written(here / "a.jsonl", "\n".join(lines))]).seen)
    assert "not used, by rows that have it: source (3), messages.*.id (3)" in seen
    for kind in ("thoughts, which data.reasoning trains", "tools (3)", "answers that are context (3)"):
        assert kind in seen


def test_a_column_that_could_change_the_rows_is_ignored_by_name_and_asked_about(here: Path) -> None:
    result = made([written(here / "a.csv", "질문,답변,weight\n" + rows("물음 {t}", "{t}", "{i5}"))])
    config, _ = load(here / "my.yaml", [])
    assert config.data.sources[0].ignore == ("weight",)
    assert any("column weight is not used (ignore: [weight])" in one for one in result.decide)


def test_turns_out_of_order_name_the_switch(here: Path) -> None:
    lines = [json.dumps({"messages": turns}) for turns in (CHAT, [CHAT[0], *CHAT])]
    result = made([written(here / "a.jsonl", "\n".join(lines))])
    assert any(one.startswith("1 rows have turns out of order") for one in result.decide)
