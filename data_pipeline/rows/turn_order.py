"""The order of a conversation's turns: what may follow what, and the ways to bring turns into order."""

from data_pipeline import reasons
from data_pipeline.reasons import Refusal
from hunmin.rows import Message, ToolCall, said_by, with_values

TURNS_JOINED = "turns_joined"
GREETING_DROPPED = "greeting_dropped"
UNANSWERED_DROPPED = "unanswered_turn_dropped"


def turn_faults(messages: list[Message]) -> list[Refusal]:
    """What is wrong with the order of turns, and which of them are empty.

    At most one system message, then user and assistant in turn, an answer last. An assistant that calls tools
    is followed by their results, one for each call, and then by its answer.
    """
    start = int(bool(messages) and messages[0]["role"] == "system")
    found: list[Refusal] = []
    expected = "user"
    calls: list[ToolCall] = []  # without a result so far
    for index, message in enumerate(messages[start:], start=start):
        role, place = message["role"], f"message {index}"
        if role == "tool":
            if fault := _result_fault(message, calls, place):
                found.append(fault)
            calls = _without_answered(message, calls)
            expected = "assistant"
            continue
        if calls and messages[index - 1]["role"] == "tool" and _one_result_of_all(calls):
            calls = []
        if calls:
            found.append((reasons.TOOL_ORDER, f"{place} is {role}, and {_named(calls)} has no result yet"))
            calls = []
        elif role != expected:
            found.append((reasons.ROLE_ORDER, f"{place} is {role}, expected {expected}"))
        elif not said_by(message):
            empty = reasons.EMPTY_ANSWER if role == "assistant" else reasons.EMPTY_INSTRUCTION
            found.append((empty, place))
        calls = list(message.get("tool_calls") or [])
        expected = "assistant" if role == "user" else "user"
    if len(messages) - start < 2 or messages[-1]["role"] != "assistant":
        found.append((reasons.EMPTY_ANSWER, "no answered turn"))
    return found


def _result_fault(result: Message, calls: list[ToolCall], place: str) -> Refusal:
    call_id = result.get("tool_call_id")
    if not calls:
        return reasons.TOOL_ORDER, f"{place} is a tool's, and no call waits for it"
    if _answered_by(result, calls) is None:
        return reasons.TOOL_ORDER, f"{place} answers the call {call_id!r}, and {_named(calls)} waits"
    return None


def _answered_by(result: Message, calls: list[ToolCall]) -> int | None:
    """Which of the calls a result answers: by id, else by its function's name, else the first."""
    call_id, name = result.get("tool_call_id"), result.get("name")
    if call_id and any(call["id"] for call in calls):
        return next((at for at, call in enumerate(calls) if call["id"] == call_id), None)
    return next((at for at, call in enumerate(calls) if call["name"] == name), 0) if calls else None


def _without_answered(result: Message, calls: list[ToolCall]) -> list[ToolCall]:
    at = _answered_by(result, calls)
    return calls if at is None else calls[:at] + calls[at + 1 :]


def _one_result_of_all(calls: list[ToolCall]) -> bool:
    """Calls without ids may have one result together, as ShareGPT's observations do."""
    return all(not call["id"] for call in calls)


def _named(calls: list[ToolCall]) -> str:
    return "the call " + " and ".join(f"{call['name']} ({call['id'] or 'without id'})" for call in calls)


def drop_unanswered(messages: list[Message]) -> tuple[list[Message], list[str]]:
    """Without the turns at the end that no assistant answered."""
    end = len(messages)
    while end and messages[end - 1]["role"] != "assistant":
        end -= 1
    return messages[:end], [UNANSWERED_DROPPED] if end < len(messages) else []


def join_turns(messages: list[Message]) -> tuple[list[Message], list[str]]:
    """With turns of one speaker as one, a line each, and without a greeting before the first question.

    Turns that differ in whether or how much they are trained, or that hold calls, thoughts or results, stay
    apart.
    """
    start = int(bool(messages) and messages[0]["role"] == "system")
    greets = start
    while greets < len(messages) and _is_plain(messages[greets]) and messages[greets]["role"] == "assistant":
        greets += 1
    joined: list[Message] = []
    for message in [*messages[:start], *messages[greets:]]:
        if joined and _is_same_speech(joined[-1], message):
            texts = [text for text in (joined[-1]["content"], message["content"]) if text]
            joined[-1] = with_values(joined[-1], content="\n".join(texts))
        else:
            joined.append(message)
    steps = [GREETING_DROPPED] if greets > start else []
    return joined, steps + ([TURNS_JOINED] if len(joined) < len(messages) - (greets - start) else [])


def _is_plain(message: Message) -> bool:
    return not any(message.get(key) for key in ("tool_calls", "reasoning", "tool_call_id"))


def _is_same_speech(one: Message, other: Message) -> bool:
    same = all(one.get(key) == other.get(key) for key in ("role", "train", "weight"))
    return same and one["role"] != "tool" and _is_plain(one) and _is_plain(other)
