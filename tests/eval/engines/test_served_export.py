"""The export, asked through a real OpenAI-compatible server, is asked and answers as here."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from socket import socket
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from eval_stages import assistant, tiny_model, user
from transformers import PreTrainedTokenizerFast

from eval.engines import GenerationSettings
from eval.engines.hf import HFEngine
from hunmin.models.chat_templates import BUILT_IN
from hunmin.models.message_form import MessageForm
from hunmin.models.renderer import Renderer
from hunmin.models.served_template import settle_template
from hunmin.models.tokenizer import load_tokenizer
from hunmin.schema import IGNORE_INDEX
from tests.needs import lacking
from trainer.export.export import export

if not all(map(find_spec, ("fastapi", "uvicorn", "openai"))):
    lacking("what transformers serve needs is not installed: make test installs requirements-serve.lock")

MAX_NEW_TOKENS = 24
START_S, ANSWER_S, LIFE_S = 120, 60, 400  # the server's start, an answer, all of it; seconds

# Reads the clock, has a switch, knows tools, and writes only the last thought: as hybrid models' do.
HYBRID = (
    "{{ '<|im_start|>system\n오늘: ' + strftime_now('%Y-%m-%d') }}"
    "{% for tool in tools or [] %}{{ '\n' + tool | tojson }}{% endfor %}{{ '<|im_end|>\n' }}"
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.role == 'assistant' and loop.last %}"
    "{{ '<think>\n' + m.reasoning_content + '</think>' if m.reasoning_content else '<think></think>' }}"
    "{% endif %}{{ m.content }}"
    "{% for call in m.tool_calls or [] %}"
    "{{ '<call>' + call.function.name + call.function.arguments | tojson + '</call>' }}"
    "{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' + ('<think></think>' if enable_thinking is false else '<think>\n') }}"
    "{% endif %}"
)
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "도시의 날씨",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]
# Of each the last answer is trained, and asked for.
PLAIN = [user("오늘 날씨가 어때요?"), assistant("참 좋네요.")]
MULTI_TURN = [
    {"role": "system", "content": "긍정과 부정 가운데 하나로 답하세요."},
    *(user(" 이 영화는 정말\n\n재미있었습니다. "), assistant("긍정", train=False)),
    *(user("The weather is nice today."), assistant("긍정")),
]
CALLING: list[Any] = [
    user("서울의 날씨는?"),
    {
        **assistant("", train=False),
        "tool_calls": [{"id": "call00001", "name": "weather", "arguments": '{"city": "서울"}'}],
    },
    {"role": "tool", "content": "맑음 23.0도", "tool_call_id": "call00001"},
    assistant("맑습니다."),
]
THINKING = [
    user("하나 다음은?"),
    {**assistant("둘", train=False), "reasoning": "하나에 하나를 더한다."},
    user("그 다음은?"),
    {**assistant("셋"), "reasoning": "둘에 하나를 더한다."},
]
# Of each export the template, and the rows that it is settled on and asked with.
EXPORTS: dict[str, tuple[str, dict[str, list[Any]]]] = {
    "chatml": (BUILT_IN["chatml"], {"plain": PLAIN, "multi_turn": MULTI_TURN}),
    "switched_off": (HYBRID, {"plain": PLAIN, "multi_turn": MULTI_TURN, "calling": CALLING}),
    "thinking": (HYBRID, {"thinking": THINKING}),
}
CASES = [(name, row) for name, (_, rows) in EXPORTS.items() for row in rows]


def tools_text(row: str) -> str | None:
    return json.dumps(TOOLS, ensure_ascii=False) if row == "calling" else None


@dataclass(frozen=True)
class Export:
    """A folder that a server loads, and the renderer that its rows were trained with."""

    folder: Path
    tokenizer: PreTrainedTokenizerFast
    renderer: Renderer

    def trained_prompt(self, row: str) -> list[int]:
        """The ids of a trained row before its first target."""
        made = self.renderer.rows(EXPORTS[self.folder.name][1][row], tools_text(row))[-1]
        first = next(at for at, label in enumerate(made.labels) if label != IGNORE_INDEX)
        return made.input_ids[:first]


@pytest.fixture(scope="module")
def exports(
    tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Export]:
    """Made as the data and train stages make them; the weights are random."""
    root = tmp_path_factory.mktemp("served")
    made = {}
    for seed, (name, (template, rows)) in enumerate(EXPORTS.items()):
        tokenizer_dir, base, out = (root / kind / name for kind in ("tokenizer", "base", "export"))
        tokenizer.save_pretrained(tokenizer_dir)
        own = load_tokenizer(tokenizer_dir)
        own.chat_template = template
        sample = [(messages, tools_text(row)) for row, messages in rows.items()]
        renderer = settle_template(
            own, options=None, day=date(2026, 1, 2), ask_as_trained=False, sample=sample
        )
        own.save_pretrained(tokenizer_dir)
        model = tiny_model(tokenizer, seed=seed)
        with torch.no_grad():  # so that some answers end before the limit
            model.lm_head.weight[renderer.end_of_turn_id] *= 2
        model.save_pretrained(base)
        weights = model.state_dict()
        trained: Any = SimpleNamespace(
            ranks={"dtype": "float32"},
            shapes={key: tuple(value.shape) for key, value in weights.items()},
            full=weights.__getitem__,
        )
        export(
            trained,
            base=base,
            tokenizer_dir=tokenizer_dir,
            stop_ids=renderer.stop_ids,
            pad_id=None,
            documents={},
            out=out,
        )
        made[name] = Export(out, own, renderer)
    return made


@dataclass(frozen=True)
class Server:
    """`transformers serve`, which loads the model that a request names."""

    port: int
    log: Path

    def get(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """What it answers to a GET, or to a POST of `body`."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)) as connection:
            if body is None:
                connection.request("GET", path)
            else:
                connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read().decode()
        assert response.status == 200, f"{text}\n{self.log.read_text()}"
        return json.loads(text)

    def answer(self, made: Export, row: str, **settings: Any) -> dict[str, Any]:
        """Its greedy answer in place of a row's last, asked for with no option of the template."""
        form = MessageForm(arguments_as_text=True)  # OpenAI's own
        messages = EXPORTS[made.folder.name][1][row][:-1]
        body = {
            "model": str(made.folder),
            "messages": [form.of(message) for message in messages],
            "temperature": 0.0,
            **({"tools": TOOLS} if tools_text(row) else {}),
            **settings,
        }
        given = self.get("/v1/chat/completions", body)
        (choice,) = given["choices"]
        return {**given["usage"], "text": choice["message"]["content"], "finish": choice["finish_reason"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found = Server(probe.getsockname()[1], log)
    command = [str(Path(sys.executable).with_name("transformers")), "serve", "--device", "cpu"]
    command += ["--host", "127.0.0.1", "--port", str(found.port)]
    with log.open("w") as output:
        process = subprocess.Popen(
            ["timeout", "--kill-after=5", str(LIFE_S), *command],  # it ends even if this process is killed
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_S
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            with suppress(ConnectionRefusedError):
                found.get("/health")
                break
            time.sleep(0.2)
        yield found
    finally:  # whatever happened, nothing of it is left
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "row"), CASES)
def test_a_server_asks_with_the_ids_that_were_trained(
    exports: dict[str, Export], server: Server, name: str, row: str
) -> None:
    """A server tells only how many they are; so let it say a word behind our ids, and behind no others."""
    made = exports[name]
    prompt = made.trained_prompt(row)
    word = made.tokenizer.encode("훌륭", add_special_tokens=False)[-1]
    for changed in (None, 0, len(prompt) - 1):
        ids = [token + (at == changed) for at, token in enumerate(prompt)]
        only_behind = {"sequence_bias": [[[*ids, word], 1e6]], "max_new_tokens": 1}
        theirs = server.answer(made, row, generation_config=json.dumps(only_behind))
        assert theirs["prompt_tokens"] == len(prompt)
        assert (theirs["text"] == made.tokenizer.decode([word])) == (changed is None), changed


@pytest.mark.slow
@pytest.mark.parametrize(("name", "row"), CASES)
def test_a_server_answers_as_here(exports: dict[str, Export], server: Server, name: str, row: str) -> None:
    made = exports[name]
    settings = GenerationSettings(
        max_new_tokens=MAX_NEW_TOKENS,
        temperature=0.0,
        seed=0,
        stop_ids=tuple(made.renderer.stop_ids),
        num_threads=1,
    )
    (ours,) = HFEngine(str(made.folder), settings=settings).generate([made.trained_prompt(row)])
    theirs = server.answer(made, row, max_tokens=MAX_NEW_TOKENS)
    assert theirs["text"] == made.tokenizer.decode(ours.ids, skip_special_tokens=True)
    assert theirs["completion_tokens"] == len(ours.ids) + ours.stopped
    assert theirs["finish"] == ("stop" if ours.stopped else "length")
