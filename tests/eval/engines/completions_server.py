"""Stands for the Python of an environment with vLLM: speaks as its server does, over a model by transformers.

`-c CODE` answers for versions; `-m MODULE --name=value …` serves. FAKE_VLLM: refuse, silent, or absent.
"""

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any


def answer(model: Any, prompt: list[int], body: dict[str, Any]) -> tuple[list[int], str]:
    """Greedy, one prompt alone; the token that ends an answer is in it, as vLLM gives it."""
    import torch

    ids = torch.tensor([prompt])
    out = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=body["max_tokens"],
        eos_token_id=body["stop_token_ids"],
        pad_token_id=0,
    )[0, len(prompt) :].tolist()
    return out, "stop" if out[-1] in body["stop_token_ids"] else "length"


def serve(options: dict[str, str]) -> None:
    """Until killed. The worker, as vLLM has some, is a process of its own that nobody tells to end."""
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(f"worker {worker.pid} of {os.getpid()}", flush=True)
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_pretrained(options["model"], dtype=getattr(torch, options["dtype"]))
    busy = Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200 if self.path == "/health" else 404, {"pids": [os.getpid(), worker.pid]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
                return self._send(401, {"error": "Unauthorized"})
            if body["model"] != options["served-model-name"] or not body["return_token_ids"]:
                return self._send(404, {"error": "no such model"})
            if any(token >= 500 for prompt in body["prompt"] for token in prompt):
                return self._send(400, {"error": "Token id 500 is out of vocabulary"})
            with busy:
                answers = [answer(model, prompt, body) for prompt in body["prompt"]]
            choices = [
                {"index": index, "token_ids": ids, "finish_reason": reason, "text": ""}
                for index, (ids, reason) in enumerate(answers)
            ]
            return self._send(200, {"choices": choices[::-1]})  # their order is the server's own

        def _send(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_request(self, code: Any = "-", size: Any = "-") -> None:
            pass

    ThreadingHTTPServer((options["host"], int(options["port"])), Handler).serve_forever()


def main(arguments: list[str]) -> None:
    if arguments[0] == "-c":
        print(json.dumps({"vllm": "0.32.0", "torch": "2.13.0"}))
        return
    mode = os.environ.get("FAKE_VLLM")
    if mode == "refuse":
        print("INFO loading\nValueError: Model architectures ['Odd'] are not supported", flush=True)
        sys.exit(3)
    if mode == "silent":
        print("INFO waiting for a GPU", flush=True)
        time.sleep(600)
    serve(dict(one.removeprefix("--").split("=", 1) for one in arguments[2:] if "=" in one))


if __name__ == "__main__":
    main(sys.argv[1:])
