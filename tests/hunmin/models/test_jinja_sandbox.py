"""Hostile templates end in one clear message, soon."""

import copy
import resource
import signal
import threading
import time

import jinja2
import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment
from transformers import PreTrainedTokenizerFast

from hunmin.models import jinja_sandbox
from hunmin.models.jinja_sandbox import RenderEndless, RenderFailed, rendered
from hunmin.models.renderer import Renderer, TemplateError

LOOPS = "{% for i in range(99999) %}" * 3 + "{% endfor %}" * 3
CALLS_ITSELF = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"


@pytest.fixture(autouse=True)
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jinja_sandbox, "RENDER_LIMIT_S", 0.3)


def render(template: str) -> str:
    return rendered(lambda: ImmutableSandboxedEnvironment().from_string(template).render())


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% include 'x' %}", "TypeError: no loader"),
        ("{% extends 'x' %}", "TypeError: no loader"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ 1 % 0 }}", "ZeroDivisionError"),
        (CALLS_ITSELF, "calls itself without end"),
        ("{{ range(10 ** 9) }}", "OverflowError"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{{ 1 + 'a' }}", "TypeError"),
        ("{{ [].x.y }}", "UndefinedError"),
        pytest.param(
            "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "calls itself without end", id="brackets"
        ),
        ("{% if %}", "TemplateSyntaxError"),
    ],
)
def test_what_breaks_is_said_in_words(template: str, said: str) -> None:
    with pytest.raises(RenderFailed, match=said):
        render(template)


@pytest.mark.parametrize("template", [LOOPS, "{{ 10 ** (10 ** 9) % 7 }}"])
def test_what_does_not_end_is_ended(template: str) -> None:
    start = time.monotonic()
    with pytest.raises(RenderEndless, match="loop without end"):
        render(template)
    assert time.monotonic() - start < 8


def test_the_clock_and_its_handler_are_put_back_and_errors_may_pass() -> None:
    before = signal.getsignal(signal.SIGPROF)
    assert render("{{ 1 + 1 }}") == "2"
    with pytest.raises(jinja2.UndefinedError):
        rendered(
            lambda: ImmutableSandboxedEnvironment().from_string("{{ a.b.c }}").render(),
            failures=(jinja2.UndefinedError,),
        )
    assert signal.getsignal(signal.SIGPROF) == before
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_other_threads_render_too() -> None:
    texts: list[str] = []
    thread = threading.Thread(target=lambda: texts.append(render("{{ 1 }}")))
    thread.start()
    thread.join()
    assert texts == ["1"]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (LOOPS, "took over"),
        ("{% include 'x' %}", "no loader"),
        ("{{ 1 / 0 }}", "division by zero"),
        (CALLS_ITSELF, "calls itself without end"),
    ],
)
def test_a_renderer_refuses_such_a_template_at_the_start(
    scratch_tokenizer: PreTrainedTokenizerFast, template: str, said: str
) -> None:
    twin = copy.deepcopy(scratch_tokenizer)
    twin.chat_template = template
    with pytest.raises(TemplateError, match=said):
        Renderer(twin)


DOUBLES = (
    "{% set ns = namespace(s='x' * 1000000) %}"
    "{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{% endfor %}"
)


@pytest.mark.parametrize("template", ["{{ 'x' * 10 ** 11 }}", "{{ 'x' | center(10 ** 11) }}", DOUBLES])
def test_what_fills_the_memory_is_ended(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jinja_sandbox, "RENDER_LIMIT_BYTES", 256 << 20)
    monkeypatch.setattr(jinja_sandbox, "RENDER_LIMIT_S", 5)
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(RenderFailed, match="the 256 MiB that a render may take"):
        render(template)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert len(render("{{ 'x' * 10 ** 7 }}")) == 10**7
