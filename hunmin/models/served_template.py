"""The chat template that travels with the tokenizer: what was trained is written into it.

A template may ask for switches (`enable_thinking`), read the clock, or ask for an answer otherwise than it
writes one. What is settled in training is settled in its text, so that every program that applies the
exported template gets what was trained, without options of its own.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, meta, nodes
from transformers import PreTrainedTokenizerFast

from hunmin.models.chat_templates import TemplateError
from hunmin.models.renderer import PromptMismatch, Renderer, RowRefused
from hunmin.models.template_probe import prompts_of
from hunmin.progress import say
from hunmin.rows import Message

CLOCK = "strftime_now"  # the one function by which transformers' templates learn the time
_GENERATION = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")  # tags of transformers' own
# Tried in this order where data.template_options is not given: what hybrid models call their switch.
_SWITCHES: tuple[dict[str, Any], ...] = (
    {},
    {"enable_thinking": False},
    {"enable_thinking": True},
    {"thinking": False},
    {"thinking": True},
)
Template = str | dict[str, str]
Asked = tuple[Sequence[Message], str | None]  # messages and tools of a row


def settle_template(
    tokenizer: PreTrainedTokenizerFast,
    *,
    options: Mapping[str, Any] | None,
    day: date,
    ask_as_trained: bool,
    sample: Iterable[Asked] = (),
) -> Renderer:
    """Write into the tokenizer's template what was settled, and give the renderer of it.

    Args:
        options: the template's own switches; None: those under which it asks for the sample's answers as it
            writes them, none where it does so by itself.
        day: what a template that reads the clock is told, at midnight.
        ask_as_trained: where the template asks for an answer otherwise than it writes one, let it ask with
            what it always writes before an answer.
        sample: rows of the corpus; the template must fit all of them.

    Raises:
        TemplateError: the template cannot be trained on, or asks for an answer of the sample otherwise than
            it writes it; with both texts.
    """
    rows = list(sample)
    dated = _each(tokenizer.chat_template, lambda text: with_date(text, day))
    if dated != tokenizer.chat_template:
        say(f"data: the template reads the clock; it is told {day} for good (data.template_date)")
    problem: TemplateError | None = None
    attempts = [(switches, False) for switches in _candidates(dated, options)]
    for switches, changed in [*attempts, *([(options or {}, True)] if ask_as_trained else [])]:
        tokenizer.chat_template = _each(dated, lambda text, on=switches: with_options(text, on))
        try:
            if changed:
                _ask_as_trained(tokenizer)
            renderer = _fitting(tokenizer, rows)
        except TemplateError as error:
            problem = problem or error
            continue
        if switches and options is None:
            chosen = ", ".join(f"{name}: {json.dumps(value)}" for name, value in switches.items())
            say(
                f"data: the template asks for this corpus' answers as it writes them under {{{chosen}}}, "
                "which is taken, and written into the exported template (data.template_options)"
            )
        return renderer
    assert problem is not None
    raise problem


def _fitting(tokenizer: PreTrainedTokenizerFast, rows: Sequence[Asked]) -> Renderer:
    renderer = Renderer(tokenizer)
    for messages, tools in rows:
        try:
            renderer.rows(messages, tools)
        except PromptMismatch as mismatch:
            raise TemplateError(mismatch.detail) from mismatch
        except RowRefused:  # counted where rows are encoded
            continue
        renderer.check_against_transformers(messages, tools)  # all of the sample, not one of many
    return renderer


def _candidates(template: Template, options: Mapping[str, Any] | None) -> Iterable[Mapping[str, Any]]:
    if options is not None:
        return [options]
    texts = [template] if isinstance(template, str) else [*template.values()]
    read = {name for text in texts for name in meta.find_undeclared_variables(_parsed(text))}
    return [switches for switches in _SWITCHES if switches.keys() <= read]


def with_options(template: str, options: Mapping[str, Any]) -> str:
    """The template with values for names that its caller does not give."""
    lines = (
        f"{{%- set {name} = {name} if {name} is defined else {_literal(value)} %}}\n"
        for name, value in options.items()
    )
    return "".join(lines) + template


def with_date(template: str, day: date) -> str:
    """The template told one date where it reads the clock; the same where it does not."""
    parsed = _parsed(template)
    if CLOCK not in meta.find_undeclared_variables(parsed):
        return template
    now = datetime.combine(day, time())
    texts = {node.value for node in parsed.find_all(nodes.Const) if isinstance(node.value, str)}
    formats = sorted(text for text in texts if "%" in text)
    branches = "".join(
        f"{{%- {'elif' if number else 'if'} format == {_literal(text)} -%}}"
        f"{{{{- {_literal(now.strftime(text))} -}}}}"
        for number, text in enumerate(formats)
    )
    unknown = "{{- raise_exception('strftime_now: a format that stands nowhere in this template') -}}"
    body = f"{branches}{{%- else -%}}{unknown}{{%- endif -%}}" if branches else unknown
    return f"{{%- macro {CLOCK}(format) -%}}{body}{{%- endmacro %}}\n{template}"


def with_prompt(template: str, *, asked: str, written: str) -> str:
    """The template with another text where it asks for an answer."""
    # A trailing line end, which Jinja leaves out at the end of a template, must stay out inside of it.
    whole = "{%- set rendered %}\n" + template.removesuffix("\n") + "{{ '' }}{% endset %}"
    return (
        f"{whole}{{%- if add_generation_prompt and rendered.endswith({_literal(asked)}) %}}"
        f"{{{{- rendered[:rendered | length - {len(asked)}] + {_literal(written)} }}}}"
        "{%- else %}{{- rendered }}{%- endif %}"
    )


def _ask_as_trained(tokenizer: PreTrainedTokenizerFast) -> None:
    asked, written = prompts_of(tokenizer)
    say(f"data: the exported template asks for an answer with {written!r} and no longer with {asked!r}")
    tokenizer.chat_template = _each(
        tokenizer.chat_template, lambda text: with_prompt(text, asked=asked, written=written)
    )


def _each(template: Any, change: Callable[[str], str]) -> Any:
    """A template, or each of several by name, changed."""
    if isinstance(template, dict):
        return {name: change(text) for name, text in template.items()}
    return change(template)


def _parsed(template: str) -> nodes.Template:
    try:
        return Environment(extensions=["jinja2.ext.loopcontrols"]).parse(_GENERATION.sub("", template))
    except TemplateSyntaxError as error:
        raise TemplateError(f"data.template, line {error.lineno}: not a Jinja template ({error})") from error


def _literal(value: Any) -> str:
    """A value as Jinja reads it: JSON, but for the word for nothing."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_literal(one) for one in value) + "]"
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
