"""Fixtures that several packages' tests share."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# The same examples in every run; HYPOTHESIS_PROFILE=default searches anew.
settings.register_profile("same", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# Two test processes with two threads each would fight for two cores; results depend on the count too.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray reads this once, at import, and test modules import packages that import ray.
os.environ.setdefault("RAY_AUTH_MODE", "token")


# Fixtures of a session that take long: the tests that ask for one of them stay in one process.
SHARED = ("slurm_cluster", "real_run", "inspected_run")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """How `make test` shares the tests: a file stays together, and so do the users of a SHARED fixture.

    The files with the most slow tests come first, so that no process is left with one of them at the end.
    """
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])
    for item in items:
        asked = getattr(item, "fixturenames", ())
        group = next((name for name in SHARED if name in asked), str(item.path))
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(trylast=True)  # after it
def pytest_collection_finish(session: pytest.Session) -> None:
    """Groups that pytest-xdist does not see are said, not lost: another pytest may name items otherwise."""
    if session.config.getoption("loadgroup", False) and not all("@" in item.nodeid for item in session.items):
        raise pytest.UsageError("pytest-xdist's groups do not reach this pytest; files would be torn apart")


@pytest.fixture(scope="session")
def ray_local() -> Iterator[None]:
    """One real local Ray with 2 CPUs for the whole session, started as the launcher starts it."""
    from launcher.cluster.ray_cluster import local_ray

    with local_ray(num_cpus=2):
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real corpora beside the checkout; tests that need them skip where they are absent."""
    folder = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real corpora are not on this machine ({folder.name}/ beside the checkout)")
    return folder


TEXTS = [
    "안녕하세요. 오늘은 날씨가 참 좋네요. 산책을 나갈까요?",
    "다음 문장을 영어로 옮겨 주세요.\n\n나는 어제 도서관에서 책을 두 권 빌렸다.",
    "def add(a, b):\n    return a + b\n",
    "The quick brown fox jumps over the lazy dog, 1234567890 times.",
    "이 가게는 친절하고 음식이 맛있어요! 😀",
]


@pytest.fixture(scope="session")
def scratch_tokenizer() -> "PreTrainedTokenizerFast":
    """A SentencePiece tokenizer trained on a few lines, so that most of a test's text falls back to bytes."""
    from data_pipeline.packing.tokenizer_training import train_tokenizer

    return train_tokenizer(TEXTS * 20, vocab_size=600)
