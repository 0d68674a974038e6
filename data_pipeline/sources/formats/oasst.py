"""OASST message trees: a prompt, its replies, their replies; a row for each thread that ends on an answer."""

from collections.abc import Iterator
from typing import Any

from data_pipeline import reasons
from data_pipeline.config import SourceConfig
from data_pipeline.sources.files.objects import object_records
from data_pipeline.sources.files.records import (
    Draft,
    Record,
    Reject,
    Unit,
    as_object,
    is_absent,
    kind_of,
    short,
)
from data_pipeline.sources.formats import RECORDS, SourceFormat
from data_pipeline.sources.values.conversations import last_pair
from data_pipeline.sources.values.keys import keys_read, unread_keys
from data_pipeline.sources.values.mapping import check_filters, family_key
from hunmin.rows import Message

_ROLES = {"prompter": "user", "assistant": "assistant"}
_LANGUAGES = ("ko", "en")  # that answers are known by; any other is "other"

# The keys that are read of a tree and of each of its messages.
_TREE = {"message_tree_id", "prompt"}
_NODE = {"message_id", "role", "text", "replies", "rank", "lang", "deleted", "synthetic"}

Node = dict[str, Any]


def tree_records(unit: Unit, source: SourceConfig) -> Iterator[Record]:
    """The trees of a file, one an object."""
    return object_records(unit, source, needed={"the root message": ("prompt",)})


def parse_tree(value: Any, source: SourceConfig) -> list[Draft | Reject]:
    """A draft for each thread, and a rejection for each message that a thread had to leave away.

    `threads: best` follows the best-ranked reply at each level, of those with an answer below them where
    there are any; `all` gives every path to an answer that no other answer follows. All threads of a tree
    are one family.
    """
    record = as_object(value)
    check_filters(record, source)
    if not isinstance(record.get("prompt"), dict):
        raise Reject(
            reasons.MISSING_FIELD, f"no root message under prompt; the tree has {short(list(record))}"
        )
    root = record["prompt"]
    family = family_key(record, source) or f"{source.name}:{record.get('message_tree_id') or _id(root)}"
    left_away: list[Reject] = []
    paths = list(_paths([root], source.threads == "best", left_away))
    if not paths:
        return list(left_away) or [Reject(reasons.UNANSWERED_TURN, "the prompt has no answer")]
    unread = unread_keys(record, _TREE | keys_read(source, {}), ignore=source.ignore)
    return [*(_outcome(path, family, unread, source) for path in paths), *left_away]


def _paths(siblings: list[Any], best: bool, left_away: list[Reject]) -> Iterator[list[Node]]:
    """Paths from these messages down to their last answers."""
    found = [_checked(node) for node in siblings]
    alive = [node for node in found if not node.get("deleted")]
    left_away += [
        Reject(reasons.DELETED_MESSAGE, f"message {_id(node)}") for node in found if node.get("deleted")
    ]
    for node in sorted(alive, key=_preference)[:1] if best else alive:
        below = list(_paths(node["replies"], best, left_away)) if node["replies"] else []
        if below:
            yield from ([node, *path] for path in below)
        elif node["role"] == "assistant":
            yield [node]
        else:
            left_away.append(Reject(reasons.UNANSWERED_TURN, f"message {_id(node)}: {short(node['text'])}"))


def _preference(node: Node) -> tuple[bool, bool, float]:
    """The smaller the better: answered, ranked, of a low rank; sorting keeps the file's order where equal."""
    rank = node.get("rank")
    answered = node["role"] == "assistant" or any(
        isinstance(reply, dict) and not reply.get("deleted") for reply in node["replies"]
    )
    return not answered, rank is None, float(rank or 0)


def _checked(node: Any) -> Node:
    if not isinstance(node, dict):
        raise Reject(reasons.WRONG_TYPE, f"a message is {kind_of(node)}, needed is an object: {short(node)}")
    node = {key: None if is_absent(value) else value for key, value in node.items()}
    role, text = node.get("role"), node.get("text")
    if role not in _ROLES:
        raise Reject(
            reasons.UNKNOWN_ROLE,
            f"message {_id(node)} is by {short(role)}; known are {', '.join(_ROLES)}",
        )
    if not isinstance(text, str):
        raise Reject(reasons.WRONG_TYPE, f"the text of message {_id(node)} is {kind_of(text)}")
    replies = node.get("replies") or []
    if not isinstance(replies, list):
        raise Reject(reasons.WRONG_TYPE, f"replies of message {_id(node)} are {kind_of(replies)}")
    return {**node, "replies": replies}


def _id(node: Node) -> str:
    return str(node.get("message_id", "without id"))


def _outcome(path: list[Node], family: str, unread: list[str], source: SourceConfig) -> Draft | Reject:
    turns: list[Message] = [{"role": _ROLES[node["role"]], "content": node["text"]} for node in path]
    try:
        of_nodes = [
            key for node in path for key in unread_keys(node, _NODE, ignore=source.ignore, place="prompt.")
        ]
        asked, answer = last_pair(turns)
    except Reject as reject:
        return reject
    language = path[-1].get("lang")
    return Draft(
        answer=answer,
        references=[answer],
        instruction=asked,
        messages=turns,
        language=None if language is None else language if language in _LANGUAGES else "other",
        family_key=family,
        unread=tuple(dict.fromkeys([*unread, *of_nodes])),
        synthetic=any(node.get("synthetic") for node in path if node["role"] == "assistant"),
    )


FORMAT = SourceFormat(records=tree_records, parse=parse_tree, settings=RECORDS | {"threads", "ignore"})
