"""A model of the hub is its commit, not its name: read from a hub cache on disk, without a network."""

import json
import os
import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from pathlib import Path
from data_pipeline.build.inputs import inputs_sha256
from data_pipeline.config import DataConfig
from hunmin.models.config import ModelConfig
from hunmin.models.folder import model_sha256
base = Path(sys.argv[1])
data = DataConfig.model_validate({"sources": [{"name": "a", "format": "alpaca", "path": "a.jsonl"}]})
print(inputs_sha256(data, ModelConfig(path="owner/tiny"), base=base))
print(model_sha256("owner/tiny", base=base))
"""


def identities(root: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(root)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=os.environ | {"HF_HOME": str(root / "hf"), "HF_HUB_OFFLINE": "1"},
    )
    return done.stdout.split()


def test_a_hub_model_whose_main_moved_is_another_model(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    model = tmp_path / "hf" / "hub" / "models--owner--tiny"
    commits = ["1" * 40, "2" * 40]
    for commit in commits:
        snapshot = model / "snapshots" / commit
        snapshot.mkdir(parents=True)
        (snapshot / "config.json").write_text(json.dumps({"model_type": "llama"}))
    main = model / "refs" / "main"
    main.parent.mkdir()
    main.write_text(commits[0])
    first = identities(tmp_path)
    assert identities(tmp_path) == first
    assert first[1] == f"hub:owner/tiny@{commits[0]}"
    main.write_text(commits[1])
    moved = identities(tmp_path)
    assert moved[0] != first[0], "the data are tokenized again"
    assert moved[1] == f"hub:owner/tiny@{commits[1]}"
