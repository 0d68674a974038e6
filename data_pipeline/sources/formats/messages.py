"""OpenAI-style messages: turns {role, content}."""

from functools import partial

from data_pipeline.sources.formats import SourceFormat
from data_pipeline.sources.values.conversations import (
    SETTINGS,
    check_conversation,
    conversation_records,
    parse_conversation,
)

KEYS = ("messages",)  # that may hold the list of turns

FORMAT = SourceFormat(
    records=partial(conversation_records, keys=KEYS),
    parse=partial(parse_conversation, keys=KEYS),
    settings=SETTINGS,
    check=check_conversation,
)
