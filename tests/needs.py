"""What some tests drive beside hunmin: where it is absent they are skipped, and with CI=true they fail."""

import os

import pytest


def lacking(reason: str) -> None:
    """Skip with a reason; in CI fail with it, for a green run has kept every promise.

    Args:
        reason: what is missing, and how to get it.
    """
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (CI=true: nothing may be skipped for want of it)", pytrace=False)
    pytest.skip(reason, allow_module_level=True)
