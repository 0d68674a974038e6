"""A run whose answers were handed out in both modes, once for the module that asks."""

from pathlib import Path

import pytest
from human_run import write_rated_run

from eval.human.human_folder import export_forms
from eval.human.study.criteria import MODES


@pytest.fixture(scope="session")
def handed_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder; tests that import copy it."""
    run_dir = tmp_path_factory.mktemp("people") / "run"
    write_rated_run(run_dir)
    for mode in MODES:
        export_forms(run_dir, mode=mode, samples=50, raters=2, language="ko", seed=7, cure="hunmin eval")
    return run_dir
