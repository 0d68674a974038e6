"""A row in one epoch: wording drawn, template applied, tokenized and masked; or a reason why not."""

from typing import Any

from data_pipeline.config import DataConfig
from data_pipeline.packing.template import Renderer, RowRefused
from data_pipeline.variants.tasks import Task, task_of, to_messages


def encode(
    row: dict[str, Any],
    *,
    epoch: int,
    renderer: Renderer,
    tasks: dict[str, Task],
    config: DataConfig,
    seed: int,
) -> dict[str, Any]:
    """Ids, labels and what was done to the row; `reason`, `detail` where it cannot be trained.

    Held-out rows keep their messages and drop the ids: eval asks them, nothing trains on them.
    """
    messages, wording_id = to_messages(
        row,
        task_of(tasks, row["task"]),
        seed=seed,
        epoch=epoch,
        wordings=config.augment.wordings,
        prefix=config.augment.task_prefix,
    )
    out = {
        "row_id": row["row_id"],
        "split": row["split"],
        "epoch": epoch,
        "task": row["task"],
        "wording_id": wording_id,
        "transforms": [],
    }
    try:
        rendered = renderer.row(messages)
    except RowRefused as refused:
        return out | {"reason": refused.reason, "detail": refused.detail}
    num_tokens = len(rendered.input_ids)
    if num_tokens > config.seq_len:
        return out | {"reason": "too_long", "detail": f"{num_tokens} tokens, seq_len is {config.seq_len}"}
    if not rendered.num_trained_tokens:
        return out | {"reason": "no_trained_tokens", "detail": "every answer was left out by the template"}
    out |= {
        "transforms": [f"untrained_turn:{turn}" for turn in rendered.untrained_turns],
        "num_tokens": num_tokens,
        "num_trained_tokens": rendered.num_trained_tokens,
        "num_chars": sum(len(m["content"]) for m in messages),
    }
    if row["split"] == "heldout":
        return out | {"messages": messages}
    return out | {"input_ids": rendered.input_ids, "labels": rendered.labels}
