"""Fixtures that several packages' tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run; HYPOTHESIS_PROFILE=default searches anew.
settings.register_profile("same", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# Two test processes with two threads each would fight for two cores; results depend on the count too.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray reads this once, at import, and test modules import packages that import ray.
os.environ.setdefault("RAY_AUTH_MODE", "token")


@pytest.fixture(scope="session")
def ray_local() -> Iterator[None]:
    """One real local Ray with 2 CPUs for the whole session, started as the launcher starts it."""
    from launcher.cluster import local_ray

    with local_ray(num_cpus=2):
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real corpora beside the checkout; tests that need them skip where they are absent."""
    folder = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real corpora are not on this machine ({folder.name}/ beside the checkout)")
    return folder
