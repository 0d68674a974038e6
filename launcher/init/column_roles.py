"""Which column of a user's table is what: by the user's word, by names, then by what the columns hold."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_pipeline.sources.files.records import short
from data_pipeline.sources.values.mapping import FIELDS
from hunmin.errors import InputError, did_you_mean

MAX_LABELS = 30  # more distinct values are no label set
MAX_WORDS = 3  # a first line's cell with more, none of them a whole known name, is data

# Names that columns have in real files -> our fields. The first of a list that is there is taken.
NAMES = {
    "instruction": (
        "instruction instruct prompt question query request 지시 지시문 지시사항 명령 질문 질의 문제 요청"
    ),
    "input": (
        "input text document review comment sentence content contents context passage article body message "
        "source src utterance 본문 내용 글 문장 리뷰 후기 댓글 원문 기사 지문 문서 텍스트 입력 발화 말"
    ),
    "answer": (
        "output answer response completion target tgt summary abstract reply translation chosen "
        "답 답변 정답 응답 출력 요약 요약문 번역 번역문 대답"
    ),
    "label": (
        "label labels class category sentiment rating ratings score stars star polarity emotion intent topic "
        "라벨 레이블 감정 감성 평점 별점 점수 분류 분야 카테고리 의도 주제 극성"
    ),
}
_KOREAN = ("ko", "kor", "korean", "한국어", "국문", "한글")
_ENGLISH = ("en", "eng", "english", "영어", "영문")
_TASK_OF_ANSWER = {
    "summarization": ("summary", "abstract", "요약", "요약문"),
    "translation": ("translation", "번역", "번역문"),
    "conversation": ("reply", "대답"),
}


def choose_columns(
    path: Path, given: Mapping[str, str], header: list[str], rows: list[dict[str, str]]
) -> dict[str, str]:
    """Field -> column, enough of them to make rows.

    Raises:
        InputError: it is not clear; the message shows the columns and what to pass.
    """
    columns = _check_columns(path, given, header)
    if not columns:
        columns = _translation_columns(header) or _by_names(header, rows)
        columns = _by_values(columns, header, rows)
    if not ({"instruction", "input"} & columns.keys() and {"answer", "label"} & columns.keys()):
        raise InputError(_which_columns(path, columns, header, rows))
    twice = [column for column in columns.values() if header.count(column) > 1]
    if twice:
        raise InputError(f"{path}: the header names {twice[0]} twice; rename one of the two")
    return columns


def is_header(names: list[str], rows: list[dict[str, str]]) -> bool:
    """Whether the first line names columns: no number, and a name that is known or nothing but names.

    A known word inside a cell tells nothing: sentences are full of them.
    """
    if any(re.fullmatch(r"-?\d+([.,]\d+)?", name.strip()) for name in names):
        return False
    if any(_whole(plain(name), known.split()) for name in names for known in NAMES.values()):
        return True
    sentences = any(
        len(name) > 30 or len(name.split()) > MAX_WORDS or name.endswith((".", "?", "!", "다", "요"))
        for name in names
    )
    repeated = any(row.get(name) == name for row in rows for name in names if name)
    return not (sentences or repeated)


def plain(name: str) -> str:
    """A column's name as it compares: no case, no quotes, no unit in brackets, no invisible signs."""
    text = unicodedata.normalize("NFKC", name).casefold()
    text = re.sub(r"[(\[<].*?[)\]>]", "", text)
    text = "".join(char for char in text if unicodedata.category(char) not in ("Cf", "Cc"))
    return text.strip(" \t\"'*:#_-.")


def role_of(name: str) -> str | None:
    """The field that a column's name, or a word of it, stands for."""
    text = plain(name)
    for look in (_whole, _part):
        for role, known in NAMES.items():
            if look(text, known.split()):
                return role
    return None


def _whole(text: str, known: Sequence[str]) -> bool:
    return text in known


def _part(text: str, known: Sequence[str]) -> bool:
    words = re.split(r"[\W_]+", text)
    return any(word in known for word in words) and "id" not in words


def _check_columns(path: Path, given: Mapping[str, str], header: list[str]) -> dict[str, str]:
    for role, column in given.items():
        if role not in FIELDS:
            hint = did_you_mean(role, FIELDS, f"the fields are {', '.join(FIELDS)}")
            raise InputError(f"--column {role}={column}: no field {role}; {hint}")
        if column not in header:
            hint = did_you_mean(column, header, f"it has {', '.join(header)}")
            raise InputError(f"{path}: no column {column} (--column {role}={column}); {hint}")
    return dict(given)


def _translation_columns(header: list[str]) -> dict[str, str] | None:
    sides = [next((name for name in header if plain(name) in known), None) for known in (_KOREAN, _ENGLISH)]
    if None in sides:
        return None
    return {"input": str(sides[0]), "answer": str(sides[1])}


def _by_names(header: list[str], rows: list[dict[str, str]]) -> dict[str, str]:
    """Fields whose column's name is known; among several the one whose texts are longest."""
    found: dict[str, str] = {}
    for role in NAMES:
        named = [name for name in header if role_of(name) == role]
        if named:
            found[role] = max(named, key=lambda name: _length(name, rows) if role != "label" else 0)
    if "answer" in found:
        found.pop("label", None)  # what is learned is the answer
    return found


def _by_values(found: dict[str, str], header: list[str], rows: list[dict[str, str]]) -> dict[str, str]:
    """What names do not tell, where the columns leave one choice only."""
    free = [name for name in header if name not in found.values() and not _is_id(name, rows)]
    found = dict(found)
    if not {"answer", "label"} & found.keys():
        few = [name for name in free if _is_label_like(name, rows)]
        if len(few) == 1:
            found["label"] = few[0]
            free.remove(few[0])
    if not {"instruction", "input"} & found.keys():
        texts = [name for name in free if _length(name, rows) >= 5]
        if len(texts) == 1:
            found["input"] = texts[0]
    return found


def _length(name: str, rows: list[dict[str, str]]) -> float:
    lengths = [len(row.get(name, "")) for row in rows]
    return sum(lengths) / max(1, len(lengths))


def _is_id(name: str, rows: list[dict[str, str]]) -> bool:
    words = re.split(r"[\W_]+", plain(name))
    values = [row.get(name, "").strip() for row in rows]
    distinct = len(set(values)) == len(values) and len(values) > 3
    return bool(
        {"id", "idx", "index", "no", "num", "번호", "unnamed", "date", "날짜", "url"} & set(words)
    ) or (distinct and all(re.fullmatch(r"[\w-]*\d+", value) for value in values))


def _is_label_like(name: str, rows: list[dict[str, str]]) -> bool:
    counts = Counter(row.get(name, "").strip() for row in rows)
    del counts[""]
    return 2 <= len(counts) <= min(MAX_LABELS, max(2, len(rows) // 3)) and _length(name, rows) <= 30


def guess_task(columns: Mapping[str, str], rows: list[dict[str, str]]) -> str | None:
    """The shipped task that the names of the columns tell of."""
    answer = plain(columns.get("answer", ""))
    asked = plain(columns.get("instruction", ""))
    if answer in _ENGLISH and plain(columns.get("input", "")) in _KOREAN:
        return "translation"
    for task, names in _TASK_OF_ANSWER.items():
        if _part(answer, names):
            return task
    if answer and asked in ("question", "query", "질문", "질의", "문제"):
        return "question_answering"
    return None


def _which_columns(
    path: Path, found: Mapping[str, str], header: list[str], rows: list[dict[str, str]]
) -> str:
    example = rows[0] if rows else {}
    listed = "\n".join(f"  {name}: {short(example.get(name, ''))}" for name in header[:12])
    told = f" ({', '.join(f'{role} is {name}' for role, name in found.items())})" if found else ""
    return (
        f"{path}: it is not clear which column is asked and which is the answer{told}; the first row is\n"
        f"{listed}\nPass them, as in --column input=NAME --column answer=NAME (or label=NAME for a few "
        "fixed answers, instruction=NAME where every row asks in its own words)"
    )
