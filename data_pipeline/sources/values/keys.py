"""The closed list of a reader's keys: a value by one of several keys, and what becomes of keys nobody reads.

Absent, null and not a number are one thing. A key that no reader knows is counted (`unread_keys` in
stats.json); one that would change what the record means rejects it, until the source says `ignore`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from data_pipeline import reasons
from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.records import Reject, is_absent, short
from data_pipeline.sources.values.columns import columns_in, is_text, keys_in

WEIGHTS = ("weight", "weights", "loss", "loss_weight", "loss_mask", "train", "trainable", "train_detail")
THOUGHTS = (
    *("reasoning_content", "reasoning", "reasoning_details", "reasoning_trace"),
    *("thinking", "think", "thought", "thoughts"),
)
_TOOLS = ("tools", "functions", "tool_calls", "function_call")
_OTHER_THAN_TEXT = ("image", "images", "image_url", "audio", "audios", "video", "videos", "input_audio")

# Keys that say what is trained, with which tools, or show more than text. Where a reader honours one, it
# stands among the keys that it reads.
MEANINGFUL = frozenset((*WEIGHTS, *THOUGHTS, *_TOOLS, *_OTHER_THAN_TEXT, "refusal"))


def without_absent(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record without the keys that have no value."""
    return {key: value for key, value in record.items() if not is_absent(value)}


def says_nothing(value: Any) -> bool:
    """Absent, or an empty text, list or object."""
    return is_absent(value) or (isinstance(value, (str, list, dict)) and not value)


def one_of(record: Mapping[str, Any], keys: Sequence[str], where: str) -> Any:
    """The value under the only one of the keys that has one; an empty text only where no other says more.

    None where no key has a value.

    Raises:
        Reject: two of them have different values, so the record contradicts itself.
    """
    found = [(key, record[key]) for key in keys if not is_absent(record.get(key))]
    if len(found) > 1:
        found = [(key, value) for key, value in found if not says_nothing(value)] or found[:1]
    if not found:
        return None
    for key, value in found[1:]:
        if value != found[0][1]:
            raise Reject(
                reasons.CONTRADICTION,
                f"{where}{found[0][0]} is {short(found[0][1])} and {key} is {short(value)}; name the one "
                "that is meant in the source's columns (of a turn: turn_keys)",
            )
    return found[0][1]


def keys_read(source: SourceConfig, columns: Mapping[str, str]) -> set[str]:
    """The keys of a record that a mapping, and all else in the source that names some, read."""
    join = () if source.join is None else (source.join.under, *source.join.keys)
    return {key for path in (*paths_read(source, columns), *join) for key in keys_in(path)}


def paths_read(source: SourceConfig, columns: Mapping[str, str]) -> list[str]:
    """The columns and paths that a mapping, and the source's choices, filters, family and `each`, read."""
    specs = [*columns.values(), *(rule.column for rule in source.filters)]
    specs += [spec for spec in (source.family, source.each) if spec]
    specs += [answer for answer in source.labels.values() if is_text(answer)]
    return [path for spec in specs for path in columns_in(spec)]


def unread_keys(
    record: Mapping[str, Any], read: Collection[str], *, ignore: Collection[str], place: str = ""
) -> list[str]:
    """The keys of a record, or of an object in it, that have a value and that nobody reads, sorted.

    Args:
        read: keys that the reader knows.
        ignore: keys that the source declares to say nothing.
        place: a path before each name, such as "messages.*.".

    Raises:
        Reject: such a key changes what the record means.
    """
    unread = [
        place + key
        for key, value in record.items()
        if key not in read and not says_nothing(value) and not {key, place + key} & {*ignore}
    ]
    for name in unread:
        key = name.removeprefix(place)
        if key.lower() in MEANINGFUL and not _changes_nothing(key, record[key]):
            raise Reject(
                reasons.UNSUPPORTED_KEY,
                f"{name} is {short(record[key])}, which this format does not read; map it if the format can, "
                f"or set ignore: [{name}] if it says nothing of the row",
            )
    return sorted(unread)


def _changes_nothing(key: str, value: Any) -> bool:
    """Whether a weight is the one that every answer has anyway."""
    return key.lower() in WEIGHTS and str(value).strip().lower() in ("1", "1.0", "true")
