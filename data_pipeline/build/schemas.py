"""Files of the work in progress, each made of one part: what their columns are.

PREPARED: .work/read; RENDERED: .work/rendered; IDS: .work/ids; ASKED: .work/heldout.
"""

import pyarrow as pa

from data_pipeline.dedup.leak_keys import GATE_COLUMNS
from data_pipeline.dedup.signatures import NEAR_COLUMNS
from hunmin.schema import HELDOUT, ROW

# What the row's source says of every answer: whether a wording is true of it depends on that.
ATTESTS = pa.field("attests", pa.list_(pa.string()))

# What is computed of many rows at once.
COMPARED = pa.schema([*NEAR_COLUMNS, *GATE_COLUMNS])

# A record after reading, kept or refused with a reason.
PREPARED = pa.schema(
    [
        ("ord", pa.int64()),  # its canonical place; see work_folder.py
        *ROW,
        ATTESTS,
        ("split", pa.string()),
        ("text_key", pa.string()),
        ("prompt_key", pa.string()),
        ("answer_key", pa.string()),
        *COMPARED,
        ("row_hash", pa.uint64()),
        ("num_variants", pa.int32()),
        ("num_answer_chars", pa.int32()),
        ("short_answer", pa.string()),
        ("asked_key", pa.uint64()),  # of what is asked, whatever the task; null where that is nothing
        ("asked_language", pa.string()),  # ko, en, other, und
        ("said_language", pa.string()),  # of the answer; code: a program
        ("unread_keys", pa.list_(pa.string())),  # keys of its record that no reader knows
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("text", pa.string()),  # of a record that was refused, as rejected.parquet has it
    ]
)


# A row in an epoch, without its ids: those lie in an Arrow file beside, at `idx`.
RENDERED = pa.schema(
    [
        ("ord", pa.int64()),
        ("epoch", pa.int32()),
        ("repeat", pa.int32()),
        ("turn", pa.int32()),
        ("split", pa.string()),
        ("task", pa.string()),
        ("language", pa.string()),
        ("source", pa.string()),
        ("row_hash", pa.uint64()),
        ("wording_id", pa.string()),
        ("wrapper", pa.string()),
        ("constraints", pa.list_(pa.string())),
        ("transforms", pa.list_(pa.string())),
        ("weight", pa.float32()),
        ("num_tokens", pa.int32()),
        ("num_trained_tokens", pa.int32()),
        ("num_chars", pa.int64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("part", pa.int64()),
        ("idx", pa.int64()),
    ]
)


# The ids of a rendered row, in an Arrow file.
IDS = pa.schema([("input_ids", pa.list_(pa.int32())), ("labels", pa.list_(pa.int32()))])


# The columns of heldout.parquet that one row tells.
ASKED = HELDOUT.remove(HELDOUT.get_field_index("seen_task"))  # of the whole corpus, known at the end
