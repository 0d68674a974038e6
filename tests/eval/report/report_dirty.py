"""A run folder with all that makes a page hard: many tasks and samples, hostile, long and mixed texts."""

import copy
import unicodedata
from typing import Any

from report_run import HOSTILE, LONG_ANSWER, RunSpec, sample, small_run

KOREAN = "아침에 도서관에서 빌린 여행책을 저녁까지 다 읽었습니다."
NESTED = "</script><img src=x onerror=alert(1)>"
UNBROKEN = "https-example-" + "a1b2c3" * 60
LONG_WORD = "대한민국" * 40
TEXTS = (
    KOREAN,
    unicodedata.normalize("NFD", "풀어쓴 한글도 찾아야 합니다."),
    f"{HOSTILE} {NESTED} -->]]>",
    LONG_ANSWER,
    UNBROKEN,
    LONG_WORD,
    "",
    " \n\t  ",
    "مرحبا بالعالم 👨‍👩‍👧 \u202eoverride",
    "def add(a, b):\n    return a + b\n",
)
TASKS = (
    "문장에 담긴 감정을 알아내는 아주 긴 이름의 작업",
    "a_task_with_a_very_long_name_that_has_no_space_in_it",
    *(f"task_{index}" for index in range(8)),
)


def dirty_run(*, per_task: int = 12) -> RunSpec:
    """Ten more tasks with `per_task` samples each, right and wrong ones, and goals with long names."""
    spec = small_run()
    for number, task in enumerate(TASKS):
        scores = copy.deepcopy(spec.scores["tasks"]["감성" if number % 2 else "translation"])
        spec.scores["tasks"][task] = scores
        spec.stats["tasks"][task] = copy.deepcopy(spec.stats["tasks"]["감성"])
        for index in range(per_task):
            spec.samples += _pair(task, number, index)
        for line in spec.metrics:
            if line["kind"] == "val":
                line["tasks"][task] = line["loss"] + number
    spec.scores["goals"] = [
        goal | {"task": task} for goal, task in zip(spec.scores["goals"], TASKS, strict=False)
    ]
    spec.stats["sources"][f"자료 {UNBROKEN}"] = spec.stats["sources"].pop("chat")
    spec.stats["contamination"] = {
        "leaks": {"exact": 3, "ngram": 1_200},
        "allowed": f"{NESTED} {LONG_ANSWER}",
    }
    spec.stats["rejected_examples"]["label_unmapped"] *= 2
    spec.stats["rejected_examples"]["answer_empty"] = [{"where": UNBROKEN, "detail": f"{LONG_WORD} {NESTED}"}]
    for number, task in enumerate(TASKS):
        for name in ("mix", "variants", "sources"):
            spec.stats[name][f"source_{number}"] = copy.deepcopy(spec.stats[name]["영화평"])
        spec.stats["diversity"][task] = copy.deepcopy(spec.stats["diversity"]["감성"])
        spec.stats["wordings"]["never_paired"] += [f"{task}/{index}" for index in range(20)]
    spec.stats["sources"] |= {f"more_{number}": spec.stats["sources"]["영화평"] for number in range(5)}
    spec.config += f"# {NESTED}\n" + f"note: {UNBROKEN}\n"
    return spec


def _pair(task: str, number: int, index: int) -> list[dict[str, Any]]:
    prompt, answer = TEXTS[index % len(TEXTS)], TEXTS[(index + number) % len(TEXTS)]
    common: dict[str, Any] = {"prompt": f"{prompt} {index}", "references": [KOREAN, LONG_WORD]}
    base, tuned = {"scores": [("ter", 90.0)]}, {"scores": [("ter", 20.0 + index)]}
    if number % 2:
        right = index % 3 > 0
        common |= {"label": "긍정"}
        base = {"extracted": "부정", "scores": [("accuracy", 0.0)]}
        tuned = {"extracted": "긍정" if right else "부정", "scores": [("accuracy", 100.0 * right)]}
    name = f"자료:파일 {number}.tsv:{index}.0/0"
    return [
        sample(
            name, "base", task, **common, **base, answer=TEXTS[(index * 3 + 1) % len(TEXTS)], stopped=False
        ),
        sample(name, "tuned", task, **common, **tuned, answer=answer),
    ]
