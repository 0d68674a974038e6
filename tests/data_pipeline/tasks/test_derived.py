"""What a request does with its text."""

import pytest

from data_pipeline.tasks.derived import is_derived, works_on_text


@pytest.mark.parametrize(
    ("task", "instruction", "works", "derived"),
    [
        ("translation", None, True, True),
        ("keyword_extraction", None, True, True),
        ("instruction", "다음 글을 세 문장으로 요약해 주세요.", True, True),
        ("instruction", "Classify the comment.", True, True),
        ("question_answering", None, False, True),
        ("code_generation", None, False, True),
        ("instruction", "방법을 찾아 줘.", False, True),
        ("instruction", "봄에 관한 시를 써 주세요.", False, False),
        ("conversation", None, False, False),
    ],
)
def test_what_a_request_does_with_its_text(
    task: str, instruction: str | None, works: bool, derived: bool
) -> None:
    assert works_on_text(task, instruction) is works
    assert is_derived(task, instruction) is derived
