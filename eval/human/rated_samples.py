"""The samples that people are to rate: drawn from what eval asked, with what both models said."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from eval.human.study.blinding import SYSTEMS, draw_evenly
from eval.samples.samples import make_samples, read_heldout
from hunmin.errors import ArtifactError, InputError

SAMPLE_COLUMNS = ["sample_id", "row_id", "turn", "system", "task", "language", "answer", "scores"]


def drawn_samples(run_dir: Path, *, limit: int, seed: int) -> list[dict[str, Any]]:
    """Drawn samples in the order of their ids, as `make_items` takes them.

    Raises:
        InputError: no sample was asked.
        ArtifactError: a sample is no held-out row of the run.
    """
    path = run_dir / "eval" / "samples.parquet"
    listed = pq.read_table(path, columns=["sample_id", "task"], filters=[("system", "=", "tuned")])
    tasks = dict(zip(listed["sample_id"].to_pylist(), listed["task"].to_pylist(), strict=True))
    if not tasks:
        raise InputError(
            f"{path}: no held-out sample was asked, so there is no answer to rate; raise data.split.heldout"
        )
    chosen = draw_evenly(tasks, limit=limit, seed=seed)
    wanted = [("sample_id", "in", chosen), ("system", "in", list(SYSTEMS))]
    said: dict[str, dict[str, dict[str, Any]]] = {}
    for row in pq.read_table(path, columns=SAMPLE_COLUMNS, filters=wanted).to_pylist():
        said.setdefault(row["sample_id"], {})[row["system"]] = row
    rows, infos = read_heldout(run_dir / "data" / "heldout.parquet")
    licences = {row["row_id"]: row["licence"] for row in rows}
    asked = {sample.sample_id: sample for sample in make_samples(rows, infos) if sample.sample_id in said}
    if lost := sorted(said.keys() - asked.keys()):
        raise ArtifactError(f"{path}: {lost[0]} is no held-out row of this run; make data and eval again")
    return [
        {name: said[sample_id]["tuned"][name] for name in ("sample_id", "row_id", "turn", "task", "language")}
        | {
            "family_id": asked[sample_id].family_id,
            "licence": licences[asked[sample_id].row_id],
            "messages": asked[sample_id].messages,
            "tools": asked[sample_id].tools,
            "answers": {system: said[sample_id][system]["answer"] for system in SYSTEMS},
            "scores": {system: dict(said[sample_id][system]["scores"] or []) for system in SYSTEMS},
        }
        for sample_id in chosen
    ]
