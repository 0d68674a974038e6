"""What a data stage leaves for the corpus page, written by hand; hostile where texts are anybody's."""

from typing import Any

import pyarrow as pa
from report_run import HOSTILE, small_run

from eval.corpus_page import corpus_page
from eval.report.sections import corpus
from hunmin.schema import HELDOUT, LEDGER

TALK = [
    ("system", "너는 비서다."),
    ("user", "서울 날씨 알려 줘"),
    ("thought", "날씨 도구를 불러야겠다."),
    ("call", 'weather({"city": "서울"})'),
    ("tool", '{"sky": "맑음", "temp": 3.10}'),
    ("answer", "서울은 맑고 3.10도입니다."),
]


def kept(number: int, **changes: Any) -> dict[str, Any]:
    sample = {
        "row_id": f"chat:chat.json:{number}.0",
        "task": "chat",
        "split": "train",
        "label": None,
        "wording_id": None,
        "wrapper": None,
        "transforms": [],
        "num_tokens": 20,
        "num_trained_tokens": 5,
        "said": [("user", f"{number}번 손님입니다."), ("answer", f"{HOSTILE} 반갑습니다.")],
        "num_parts": 2,
    }
    return sample | changes


def refused(number: int, text: str, detail: str = "왜") -> dict[str, Any]:
    return {"row_id": f"영화평:reviews.tsv:{number}.0", "source": "영화평", "detail": detail, "text": text}


def samples() -> Any:
    return {
        "schema_version": 1,
        "kept": {
            "chat": [kept(0, said=TALK, num_parts=9), *(kept(i) for i in range(1, 8))],
            "영화평": [
                kept(9, split="heldout", label="긍정", wording_id="감성/ko-01", wrapper="role:a+few_shot:1")
            ],
        },
        "rejected": {
            "label_unmapped": [refused(4, "user: 보통이에요\nanswer: " + "가" * 400, HOSTILE)],
            "answer_empty": [refused(5, "")],
        },
        "meanings": {
            "label_unmapped": "the label is not among `labels`",
            "answer_empty": "JSON says nothing",
        },
        "near_pairs": [
            {"dropped": refused(7, "왼쪽 글"), "kept": refused(6, "오른쪽 글"), "similarity": 0.874}
        ],
        "num_near_pairs": 12,
        "labels": {"감성": {"긍정": 3, "부정": 1}},
        "languages": {"chat": [{"request": "en", "answer": "ko", "rows": 6}]},
    }


def page() -> str:
    spec = small_run()
    spec.stats["sources"]["chat"]["kept"] = 30
    numbers = corpus.section(
        spec.stats,  # type: ignore[arg-type]
        ledger=pa.Table.from_pylist(spec.ledger, schema=LEDGER),
        heldout=pa.Table.from_pylist(spec.heldout, schema=HELDOUT),
    )
    return corpus_page.render("시험 말뭉치", numbers, spec.stats, samples())  # type: ignore[arg-type]
