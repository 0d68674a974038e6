"""Where a run finds its Ray."""

import json
from pathlib import Path

import pytest

from hunmin.errors import EnvironmentFailure, InputError
from launcher.cluster import ray_cluster
from launcher.cluster.ray_cluster import _runtime_env, ray_for
from launcher.cluster.snapshot import ROOT


def of_job(runtime_env: dict[str, object]) -> dict[str, str]:
    return {"RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps({"runtime_env": runtime_env})}


def test_workers_get_the_code_of_this_place_unless_it_was_shipped() -> None:
    assert _runtime_env({})["env_vars"]["PYTHONPATH"] == str(ROOT)
    shipped = _runtime_env(of_job({"working_dir": "gcs://_ray_pkg_1.zip"}))
    assert "PYTHONPATH" not in shipped["env_vars"]
    own = _runtime_env(of_job({"env_vars": {"PYTHONPATH": "/mine"}}))  # Ray refuses two values for one name
    assert "PYTHONPATH" not in own["env_vars"]


@pytest.mark.parametrize("address", ["auto", "http://127.0.0.1:8265", "ray://127.0.0.1:10001"])
def test_an_address_that_names_no_head_is_refused(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    with (
        pytest.raises(InputError, match="HOST:PORT"),
        ray_for(num_cpus=1, num_gpus=0, run_dir=tmp_path, inputs=[]),
    ):
        pass


def test_a_ray_that_does_not_come_up_is_tried_once_more(capsys: pytest.CaptureFixture[str]) -> None:
    tries: list[int] = []

    def busy(*, num_cpus: int) -> None:
        tries.append(num_cpus)
        if len(tries) != 2:
            raise Exception("The current node timed out during startup.")  # as Ray says it

    ray_cluster._in_two_tries(busy, num_cpus=2)
    assert tries == [2, 2]
    assert "timed out during startup.); trying once more" in capsys.readouterr().out
    with pytest.raises(EnvironmentFailure, match="when it is less busy"):
        ray_cluster._in_two_tries(busy, num_cpus=2)
    assert len(tries) == 4, "and then no more"
