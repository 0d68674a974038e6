"""What was settled in training stands in the exported template's own text."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tiny_tokenizers import byte_level
from transformers import AutoTokenizer

from hunmin.models.chat_templates import BUILT_IN, TemplateError, template_sha256, template_text
from hunmin.models.renderer import Renderer
from hunmin.models.served_template import settle_template, with_date, with_options, with_prompt
from hunmin.rows import Message

DAY = date(2026, 1, 2)
CLOCK = (
    "{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y %H:%M') %}{%- endif %}"
    "{{- '<|im_start|>system\nToday: ' + date_string + '<|im_end|>\n' }}" + BUILT_IN["chatml"]
)
# A thought is asked for unless the switch is off, and written where there is one: as Nemotron's does.
SWITCH = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}"
    "{{ '<think>\n' + m.reasoning_content + '</think>' if m.reasoning_content else '<think></think>' }}"
    "{% endif %}"
    "{{ m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' + ('<think></think>' if enable_thinking is false else '<think>\n') }}"
    "{% endif %}"
)
PLAIN: list[Any] = [
    {"role": "user", "content": "하나 다음은?"},
    {"role": "assistant", "content": "둘입니다.", "train": True},
]
THINKING: list[Any] = [PLAIN[0], {**PLAIN[1], "reasoning": "하나에 1을 더하면 둘."}]


def settled(template: str, *rows: list[Message], **how) -> tuple[Renderer, str]:
    tokenizer = byte_level(template)
    how = {"options": None, "day": DAY, "ask_as_trained": False} | how
    renderer = settle_template(tokenizer, sample=[(row, None) for row in rows], **how)
    text = tokenizer.apply_chat_template(PLAIN[:1], add_generation_prompt=True, tokenize=False)
    assert renderer.prompt(PLAIN[:1]) == tokenizer(str(text), add_special_tokens=False)["input_ids"]
    return renderer, str(text)


def test_a_template_that_reads_the_clock_is_told_one_date(capsys: pytest.CaptureFixture[str]) -> None:
    _, text = settled(CLOCK, PLAIN)
    assert "Today: 02 Jan 2026 00:00<" in text
    assert "reads the clock; it is told 2026-01-02" in capsys.readouterr().out
    assert with_date(with_date(CLOCK, DAY), date(2027, 1, 1)) == with_date(CLOCK, DAY), "for good"


def test_a_template_that_only_speaks_of_dates_is_left_as_it_is() -> None:
    speaks = BUILT_IN["chatml"].replace(
        "'<|im_start|>'", "'<|im_start|>' + '{# strftime_now() %d today #}'", 1
    )
    assert with_date(speaks, DAY) == speaks


def test_a_clock_with_a_format_made_at_run_time_is_refused() -> None:
    odd = "{{ strftime_now('%' ~ messages[0].role[0]) }}" + BUILT_IN["chatml"]
    with pytest.raises(TemplateError, match="a format that stands nowhere"):
        settled(odd, PLAIN)


def test_a_declared_switch_is_the_default_of_the_exported_template() -> None:
    _, text = settled(SWITCH, PLAIN, options={"enable_thinking": False})
    assert text.endswith("assistant\n<think></think>")
    tokenizer = byte_level(with_options(SWITCH, {"enable_thinking": False}))
    asked = tokenizer.apply_chat_template(
        PLAIN[:1], add_generation_prompt=True, tokenize=False, enable_thinking=True
    )
    assert str(asked).endswith("<think>\n"), "a caller's own wins"


@pytest.mark.parametrize("value", [True, None, 3, "여보세요 'a'", [1, None], {"a": {"b": False}}])
def test_any_value_can_be_written_into_a_template(value: object) -> None:
    template = with_options("\n  {% if true %}{{ x | tojson }}{% endif %}\n", {"x": value})
    plain = byte_level("\n  {% if true %}{{ x | tojson }}{% endif %}\n")
    assert byte_level(template).apply_chat_template(PLAIN, tokenize=False) == plain.apply_chat_template(
        PLAIN, tokenize=False, x=value
    )


def test_without_options_the_switch_is_chosen_that_fits_the_corpus(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, text = settled(SWITCH, PLAIN)
    assert text.endswith("<think></think>")
    assert "{enable_thinking: false}, which is taken" in capsys.readouterr().out
    _, text = settled(SWITCH, THINKING)
    assert text.endswith("<think>\n")
    assert not capsys.readouterr().out


def test_where_no_switch_fits_the_run_stops_or_exports_what_was_trained() -> None:
    with pytest.raises(TemplateError, match=r"asks for an answer with .*data.export_template: trained"):
        settled(SWITCH, PLAIN, THINKING)
    renderer, text = settled(SWITCH, PLAIN, THINKING, ask_as_trained=True)
    assert text.endswith("assistant\n<think>")
    for row, target in (
        (PLAIN, "</think>둘입니다.<|im_end|>"),
        (THINKING, "\n하나에 1을 더하면 둘.</think>둘입니다.<|im_end|>"),
    ):
        labels = renderer.rows(row)[-1].labels
        assert renderer._tokenizer.decode([label for label in labels if label >= 0]) == target


@pytest.mark.parametrize(
    "template", ["\n  {% if true %}\nx\n  {% endif %}\n\n", "{{ messages[0].content }}\n ", "a"]
)
def test_another_prompt_leaves_the_rest_of_a_template_as_it_is(template: str) -> None:
    plain = str(byte_level(template).apply_chat_template(PLAIN, tokenize=False))
    changed = byte_level(with_prompt(template, asked="", written="'<b>\n"))
    assert changed.apply_chat_template(PLAIN, tokenize=False) == plain
    asked = changed.apply_chat_template(PLAIN, add_generation_prompt=True, tokenize=False)
    assert asked == f"{plain}'<b>\n"


def test_a_template_that_asks_for_nothing_can_be_made_to_ask() -> None:
    deaf = BUILT_IN["chatml"].partition("{% if add_generation_prompt")[0]
    with pytest.raises(TemplateError, match="asks for an answer"):
        settled(deaf, PLAIN)
    _, text = settled(deaf, PLAIN, ask_as_trained=True)
    assert text.endswith("<|im_start|>assistant\n")


def test_named_templates_travel_and_have_one_hash(tmp_path: Path) -> None:
    tokenizer = byte_level(BUILT_IN["chatml"])
    tokenizer.chat_template = {"tool_use": BUILT_IN["chatml"] + "{# tools #}", "default": BUILT_IN["chatml"]}
    assert template_text("chat", tokenizer, tmp_path) == tokenizer.chat_template
    tokenizer.save_pretrained(str(tmp_path))
    again = AutoTokenizer.from_pretrained(str(tmp_path))
    assert template_sha256(again.chat_template) == template_sha256(tokenizer.chat_template)
    tokenizer.chat_template = {"rag": BUILT_IN["chatml"]}
    with pytest.raises(TemplateError, match="only templates named rag"):
        template_text("chat", tokenizer, tmp_path)
