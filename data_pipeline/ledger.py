"""Every record accounted for: order, duplicates, packs, and the tables that say so. Pure functions.

A row here is a dictionary with the light columns of the pipeline (ids, no texts); refused rows carry
`reason` and `detail`, set once, by whoever refused first.
"""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from data_pipeline.config import DataConfig
from data_pipeline.errors import GateError
from data_pipeline.packing.plan import plan_partitions
from data_pipeline.packing.shards import METADATA_KEY, SHARD_PACKS, shard_name
from data_pipeline.rows.split import stable_hash
from data_pipeline.schema import HELDOUT, PACKS, REJECTED, TaskInfo

Row = dict[str, Any]


@dataclass(frozen=True)
class Shard:
    """A file of packs of one (split, epoch). `first_pack` counts over that (split, epoch)."""

    path: str
    split: str
    epoch: int
    first_pack: int
    num_packs: int


@dataclass(frozen=True)
class Placement:
    """Where a rendered row goes: the shard's path, its pack there, the segment there, the ledger's index."""

    shard: str
    pack: int
    slot: int
    row: int


def in_order(rows: list[Row], config: DataConfig, by: list[Row] | None = None) -> list[Row]:
    """Rows in canonical order: source as configured, file, record, sub-record, epoch.

    Args:
        rows: in any order.
        config: names the order of sources.
        by: rows that know the origin, where `rows` only have a row_id.
    """
    rank = {source.name: index for index, source in enumerate(config.sources)}
    place = {
        row["row_id"]: (rank[row["source"]], row["file"], row["record"], row["sub_record"])
        for row in (by or rows)
    }
    return sorted(rows, key=lambda row: (*place[row["row_id"]], row.get("epoch") or 0))


def mark_duplicates(rows: list[Row]) -> None:
    """Refuse every row that says the same as an earlier one; its detail names the row kept."""
    first: dict[str, str] = {}
    for row in rows:
        if row["reason"] is not None:
            continue
        winner = first.setdefault(row["text_key"], row["row_id"])
        if winner != row["row_id"]:
            row["reason"], row["detail"] = "duplicate", f"of {winner}"


def mark_heldout_families(rows: list[Row], heldout_tasks: tuple[str, ...]) -> None:
    """Refuse rows of other tasks that share their family with a held-out task's: they would leak it."""
    held = {row["family_id"] for row in rows if row["reason"] is None and row["task"] in heldout_tasks}
    for row in rows:
        if row["reason"] is None and row["family_id"] in held and row["task"] not in heldout_tasks:
            row["reason"], row["detail"] = "heldout_family", f"family {row['family_id']}"


def mark_unrendered(rows: list[Row], renders: list[Row]) -> None:
    """Refuse every row that could not be rendered in any epoch, with the first epoch's reason."""
    rendered = {render["row_id"] for render in renders if render["reason"] is None}
    refusal = {render["row_id"]: render for render in reversed(renders)}
    for row in rows:
        if row["reason"] is None and row["row_id"] not in rendered:
            row["reason"] = refusal[row["row_id"]]["reason"]
            row["detail"] = refusal[row["row_id"]]["detail"]


def require_trained_tokens(rows: list[Row], renders: list[Row]) -> None:
    """Stop before an empty training.

    Raises:
        GateError: no train row holds a trained token; lists why rows were refused.
    """
    if any(render["split"] == "train" and render["num_trained_tokens"] for render in renders):
        return
    reasons = Counter(row["reason"] for row in rows if row["reason"])
    splits = Counter(row["split"] for row in rows if row["reason"] is None)
    listed = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()) or "none"
    kept = ", ".join(f"{split} {count}" for split, count in sorted(splits.items())) or "none"
    raise GateError(
        f"data: no trainable token in the train split. {len(rows)} record(s) read; kept: {kept}; "
        f"rejected: {listed}. Check the sources' columns, data.bounds, data.seq_len and data.split"
    )


def plan(rows: list[Row], renders: list[Row], *, seq_len: int) -> tuple[list[Row], list[Shard]]:
    """Which rendered row goes into which pack and shard.

    Args:
        rows: origins in canonical order.
        renders: rendered rows in canonical order; refused ones and held-out ones are left out.
        seq_len: tokens a pack may hold.

    Returns:
        The lines of rows.parquet, each with `slot` (its segment in the pack) beside the ledger's columns;
        and the shards in order.
    """
    origin = {row["row_id"]: row for row in rows}
    ledger: list[Row] = []
    shards: list[Shard] = []
    groups: dict[tuple[str, int], list[Row]] = {}
    for render in renders:
        if render["reason"] is None and render["split"] != "heldout":
            groups.setdefault((render["split"], render["epoch"]), []).append(render)
    for split, epoch in sorted(groups):
        members = groups[split, epoch]
        packs = plan_partitions(
            [stable_hash("partition", member["row_id"]) for member in members],
            [member["num_tokens"] for member in members],
            seq_len=seq_len,
        )
        pack_of = {
            index: (pack, slot) for pack, group in enumerate(packs) for slot, index in enumerate(group)
        }
        for index, member in enumerate(members):
            pack, slot = pack_of[index]
            ledger.append(_ledger_line(origin[member["row_id"]], member, len(ledger), pack, slot))
        names = sum(shard.split == split for shard in shards)
        shards += [
            Shard(
                path=f"{split}/{shard_name(names + number)}",
                split=split,
                epoch=epoch,
                first_pack=first,
                num_packs=min(SHARD_PACKS, len(packs) - first),
            )
            for number, first in enumerate(range(0, len(packs), SHARD_PACKS))
        ]
    return ledger, shards


def _ledger_line(origin: Row, render: Row, row: int, pack: int, slot: int) -> Row:
    names = ("epoch", "split", "wording_id", "num_tokens", "num_trained_tokens")
    return (
        origin
        | {name: render[name] for name in names}
        | {"transforms": [*origin["transforms"], *render["transforms"]]}
        | {"row": row, "pack": pack, "slot": slot}
    )


def placements(ledger: list[Row], shards: list[Shard]) -> dict[tuple[str, int], Placement]:
    """By (row_id, epoch): where the row goes."""
    by_split: dict[tuple[str, int], list[Shard]] = {}
    for shard in shards:
        by_split.setdefault((shard.split, shard.epoch), []).append(shard)
    out = {}
    for row in ledger:
        shard = by_split[row["split"], row["epoch"]][row["pack"] // SHARD_PACKS]
        pack = row["pack"] - shard.first_pack
        out[row["row_id"], row["epoch"]] = Placement(shard.path, pack, row["slot"], row["row"])
    return out


def pack_table(group: pa.Table, *, tasks: list[str]) -> pa.Table:
    """The packs of a shard from its rows in any order.

    Args:
        group: columns task, input_ids, labels, pack, slot, row.
        tasks: names; a segment's task is the index here.
    """
    group = group.sort_by([("pack", "ascending"), ("slot", "ascending")]).combine_chunks()
    pack = group.column("pack").to_numpy()
    lengths = np.diff(_one_chunk(group, "input_ids").offsets.to_numpy())
    firsts = np.concatenate([[0], np.flatnonzero(np.diff(pack)) + 1, [len(pack)]])
    token_offsets = np.concatenate([[0], np.cumsum(lengths)])[firsts]
    index = {name: number for number, name in enumerate(tasks)}

    def nested(offsets: np.ndarray, values: pa.Array) -> pa.Array:
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)

    return pa.table(
        {
            "input_ids": nested(token_offsets, _one_chunk(group, "input_ids").flatten()),
            "labels": nested(token_offsets, _one_chunk(group, "labels").flatten()),
            "seq_lengths": nested(firsts, pa.array(lengths, pa.int32())),
            "rows": nested(firsts, pa.array(group.column("row").to_numpy(), pa.int64())),
            "tasks": nested(
                firsts, pa.array([index[name] for name in group.column("task").to_pylist()], pa.int32())
            ),
        },
        schema=PACKS,
    )


def _one_chunk(table: pa.Table, name: str) -> pa.ListArray:
    column = table.column(name).combine_chunks()
    return column if isinstance(column, pa.Array) else column.chunk(0)  # type: ignore[return-value]


def rejected(rows: list[Row]) -> pa.Table:
    """rejected.parquet, in canonical order."""
    return pa.Table.from_pylist([row for row in rows if row["reason"] is not None], schema=REJECTED)


def heldout(
    prepared: list[Row],
    encoded: list[Row],
    origins: list[Row],
    *,
    tasks: dict[str, TaskInfo],
    trained_tasks: set[str],
) -> pa.Table:
    """heldout.parquet, in canonical order: the row as prepared with the messages as rendered."""
    by_id = {row["row_id"]: row for row in prepared}
    render_of = {render["row_id"]: render for render in encoded if render["reason"] is None}
    lines = []
    for origin in origins:
        render = render_of.get(origin["row_id"])
        if render is None or origin["reason"] is not None:
            continue
        row = by_id[origin["row_id"]]
        lines.append(
            row
            | {
                "messages": render["messages"],
                "wording_id": render["wording_id"],
                "transforms": [*row["transforms"], *render["transforms"]],
                "seen_task": row["task"] in trained_tasks,
                "seen_wording": True,  # drawn from the wordings that training draws from
            }
        )
    present = sorted({line["task"] for line in lines})
    metadata = json.dumps({"tasks": {name: tasks[name] for name in present}}, ensure_ascii=False)
    table = pa.Table.from_pylist(lines, schema=HELDOUT)
    return table.replace_schema_metadata({METADATA_KEY: metadata.encode()})
