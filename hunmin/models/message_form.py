"""Messages in the form that a chat template takes them: OpenAI's, which transformers documents."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hunmin.rows import Message


@dataclass(frozen=True)
class MessageForm:
    """What chat templates do not agree on; which form one takes is found by trying (`Renderer`).

    Attributes:
        parts: content is [{"type": "text", "text": ...}], as models that see images have it.
        thought_in_content: a thought stands in <think> tags before the content, for a template that reads no
            `reasoning_content`.
        arguments_as_text: a call's arguments are JSON text and no object.
        no_empty_content: an answer of calls alone has no content at all, where others have "".
    """

    parts: bool = False
    thought_in_content: bool = False
    arguments_as_text: bool = False
    no_empty_content: bool = False

    def of(self, message: Message | Mapping[str, Any]) -> dict[str, Any]:
        """The message as it is handed to the template.

        Raises:
            ValueError: a call's arguments are no JSON.
        """
        content, thought = message["content"] or "", message.get("reasoning")
        calls = message.get("tool_calls")
        if thought and self.thought_in_content:
            content = f"<think>\n{thought.strip()}\n</think>\n\n{content}"
        out: dict[str, Any] = {"role": message["role"]}
        if content or not (calls and self.no_empty_content):
            out["content"] = [{"type": "text", "text": content}] if self.parts else content
        if thought and not self.thought_in_content:
            # The names under which templates read it. transformers fills in `thinking` by itself.
            out |= {"reasoning_content": thought, "reasoning": thought}
        if calls:
            out["tool_calls"] = [self._call(call) for call in calls]
        answered = {key: message.get(key) for key in ("tool_call_id", "name")}
        return out | {key: value for key, value in answered.items() if value is not None}

    def _call(self, call: Mapping[str, Any]) -> dict[str, Any]:
        arguments = call["arguments"] if self.arguments_as_text else json.loads(call["arguments"] or "{}")
        out = {"type": "function", "function": {"name": call["name"], "arguments": arguments}}
        return out if call.get("id") is None else {"id": call["id"], **out}


def texts_and_names_of(message: Message | Mapping[str, Any]) -> list[str]:
    """Everything in a message that its author wrote: its texts, and ids and names."""
    texts = [message.get(key) for key in ("content", "reasoning", "tool_call_id", "name")]
    texts += [
        call.get(key) for call in message.get("tool_calls") or [] for key in ("id", "name", "arguments")
    ]
    return [text for text in texts if text]


def with_call_ids(message: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """The message with other ids for its calls, and for the one that it answers; None as "None"."""
    out = dict(message)
    if out.get("tool_calls"):
        out["tool_calls"] = [{**call, "id": ids.get(str(call.get("id")))} for call in out["tool_calls"]]
    if out["role"] == "tool":
        out["tool_call_id"] = ids.get(str(out.get("tool_call_id")))
    return out


def with_texts(message: Mapping[str, Any], change: Any) -> dict[str, Any]:
    """The message with each of `texts_and_names_of` changed."""
    keys = ("content", "reasoning", "tool_call_id", "name")
    out = {**message, **{key: change(message[key]) for key in keys if message.get(key)}}
    if message.get("tool_calls"):
        out["tool_calls"] = [
            {**call, **{key: change(call[key]) for key in ("id", "name", "arguments") if call.get(key)}}
            for call in message["tool_calls"]
        ]
    return out
