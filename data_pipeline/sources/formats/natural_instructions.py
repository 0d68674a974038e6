"""Natural Instructions: one task a file, a Definition and its Instances, each with all accepted outputs."""

from collections.abc import Iterator
from typing import Any

from data_pipeline import reasons
from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.json_records import load_json
from data_pipeline.sources.files.json_text import checked
from data_pipeline.sources.files.records import (
    Draft,
    Record,
    Reject,
    Unit,
    as_object,
    is_absent,
    kind_of,
    present,
    scalar_text,
    short,
)
from data_pipeline.sources.formats import RECORDS, SourceFormat, text_in_the_shape
from data_pipeline.sources.values.columns import column_text
from data_pipeline.sources.values.keys import keys_read, unread_keys
from data_pipeline.sources.values.mapping import check_filters, family_key, map_label
from hunmin.errors import InputError

DEFINITION = "Definition"  # put into each instance, which has no such key
_INSTANCE = {DEFINITION, "input", "output"}  # the keys that are read of one


def instance_records(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    """The instances of a task file.

    Raises:
        InputError: the file is no task of Natural Instructions.
    """
    path = unit.paths[0]
    task = load_json(path, encoding=source.encoding)
    if isinstance(task, Reject):
        raise InputError(f"{path}: {task}; take one of them away")
    if not isinstance(task, dict):
        raise InputError(f"{path}: {kind_of(task)}, needed is one object with Definition and Instances")
    definition = _definition(task, path)
    instances = task.get("Instances")
    if not isinstance(instances, list):
        found = "no Instances" if "Instances" not in task else f"Instances is {kind_of(instances)}"
        raise InputError(f"{path}: {found}, needed is a list of them; the keys are {short(list(task))}")
    for number, value in enumerate(instances, start=1):
        known = {DEFINITION: definition, **value} if isinstance(value, dict) else value
        yield Record(f"instance {number}", checked(known))


def _definition(task: dict[str, Any], path: str) -> str:
    """The task's definition, which files hold as a text or as a list of its paragraphs."""
    value = task.get(DEFINITION)
    parts = value if isinstance(value, list) else [value]
    texts = [part for part in parts if isinstance(part, str) and part.strip()]
    if not texts or len(texts) < len(parts):
        raise InputError(f"{path}: Definition is {short(value)}, needed is a text or a list of texts")
    return "\n".join(texts)


def parse_instance(value: Any, source: SourceConfig) -> list[Draft]:
    """One draft; the first output is trained, every output is accepted."""
    record = as_object(value)
    check_filters(record, source)
    outputs = record.get("output", "")
    outputs = outputs if isinstance(outputs, list) else [outputs]
    if "output" not in record:
        raise Reject(reasons.MISSING_FIELD, f"no key output; the instance has {short(list(record))}")
    if is_absent(record.get("input")):
        raise Reject(
            reasons.MISSING_FIELD, f"no key input with a value; the instance has {short(list(record))}"
        )
    texts = [scalar_text(output, "output") for output in outputs]
    references = list(dict.fromkeys(text for text in texts if present(text)))
    if not references:
        raise Reject(reasons.NO_ANSWER, f"output is empty: {short(outputs)}")
    value = references[0].strip() if source.labels else None
    label = None if value is None else map_label(value, source.labels)
    if label is not None:
        references = [label]
    draft = Draft(
        answer=references[0],
        references=references,
        instruction=record[DEFINITION],
        input=present(column_text(record, "input")),
        label=label,
        value=value,
        family_key=family_key(record, source),
        unread=tuple(unread_keys(record, _INSTANCE | keys_read(source, {}), ignore=source.ignore)),
    )
    return [draft]


FORMAT = SourceFormat(
    records=instance_records,
    parse=parse_instance,
    settings=RECORDS | {"labels", "ignore"},
    describe=text_in_the_shape("JSON object with Instances"),
    from_hub=False,
)
