"""Code is scored by the tests that its request shows."""

import pytest

from eval.metrics.pass_at_1 import METRIC, code_in, shown_tests
from eval.sandbox.sandbox import check_sandbox
from eval.scores.metric import Reference
from eval.scores.score_table import metrics_of
from hunmin.errors import EnvironmentFailure
from tests.needs import lacking

REQUEST = (
    "두 수를 더하는 함수 add를 쓰세요.\nassert add(1, 2) == 3\n  assert add(-1, 1) == 0\nassert that it works"
)
RIGHT = "def add(a, b):\n    return a + b"
BEGUN = 'def half(n):\n    """Half of it.\n\n    >>> half(4)\n    2\n    """'


@pytest.fixture(scope="module")
def jail() -> None:
    try:
        check_sandbox()
    except EnvironmentFailure as error:
        lacking(str(error))


def test_tests_are_the_asserts_and_doctests_of_a_request() -> None:
    assert shown_tests(REQUEST) == ("assert add(1, 2) == 3", "assert add(-1, 1) == 0")
    assert len(shown_tests(BEGUN)) == 1
    assert shown_tests("코드를 쓰세요. >>> 는 프롬프트입니다.") == ()


def test_code_is_the_first_block_or_the_whole_or_a_body_with_its_beginning() -> None:
    assert code_in(f"이렇게 씁니다.\n```python\n{RIGHT}\n```\n끝") == RIGHT
    assert code_in(RIGHT) == RIGHT
    assert code_in("    return n // 2", BEGUN) == f"{BEGUN}\n    return n // 2"


@pytest.mark.usefixtures("jail")
def test_an_answer_passes_where_every_test_does() -> None:
    reference = Reference([RIGHT], "en", None, tests=shown_tests(REQUEST))
    answers = [
        RIGHT,
        f"```python\n{RIGHT}\n```",
        "def add(a, b):\n    return 3",
        "exit()",
        "모르겠습니다",
        "",
    ]
    found = METRIC.statistics(answers, [reference] * len(answers))
    assert found[:, 0].tolist() == [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    half = Reference(["?"], "en", None, given=BEGUN, tests=shown_tests(BEGUN))
    assert METRIC.value("    return n // 2", half) == 1.0
    assert METRIC.value("    return n - 1", half) == 0.0


def test_no_code_runs_until_it_is_asked_for() -> None:
    info = {"metrics": ["chrf", "pass_at_1"], "labels": [], "language": "en"}
    assert [metric.name for metric in metrics_of("code", info)] == ["chrf"]  # type: ignore[arg-type]
    asked = metrics_of("code", info, run_code=True)  # type: ignore[arg-type]
    assert [metric.name for metric in asked] == ["chrf", "pass_at_1"]
