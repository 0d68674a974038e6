"""A run that is handed over leaves no secret behind, so none may stand in its config."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hunmin.errors import InputError
from launcher.backends import Request, backend_of

URL = "https://me:{}@host/a.jsonl"


def request_of(tmp_path: Path, **source: Any) -> Request:
    config = {
        "name": "secret",
        "model": {"from_scratch": {"hidden_size": 32, "num_layers": 1, "vocab_size": 700}},
        "data": {"sources": [{"name": "s", "format": "alpaca", "path": "a.jsonl", **source}]},
    }
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    names = ("nodes", "gpus_per_node", "cpus_per_node", "time", "partition", "account", "address")
    return Request(path, [], tmp_path / "run", False, dict.fromkeys(names) | {"nodes": 1})


@pytest.mark.parametrize("backend", ["slurm", "ray"])
@pytest.mark.parametrize(
    "source",
    [
        {"path": URL.format("hunter2")},
        {"path": ["a.jsonl", "https://host/a.jsonl?token=hunter2"]},
        {"join": {"path": URL.format("hunter2"), "by": "id"}},
    ],
)
def test_a_secret_in_a_url_is_refused_before_anything_is_asked(
    tmp_path: Path, backend: str, source: Any
) -> None:
    with pytest.raises(InputError, match=r"data\.sources\[0\] \(s\): .*write \$\{NAME\}") as refused:
        backend_of(backend).prepare(request_of(tmp_path, **source))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("backend", ["slurm", "ray"])
def test_a_secret_of_the_environment_goes_on_to_the_next_check(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PASSWORD_OF_NOBODY", raising=False)
    with pytest.raises(InputError, match="the environment has no PASSWORD_OF_NOBODY"):
        backend_of(backend).prepare(request_of(tmp_path, path=URL.format("${PASSWORD_OF_NOBODY}")))
