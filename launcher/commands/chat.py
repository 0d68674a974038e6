"""`hunmin chat RUN`: the model of a run in the terminal, or line by line through a pipe."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hunmin.artifact import verify
from hunmin.errors import InputError
from hunmin.limits import usable_cores
from launcher.commands import run_folder
from launcher.commands.run_folder import stage_command
from launcher.config import RunConfig, load

HELP = "/reset forgets the conversation, /quit or Ctrl-D ends; a line that ends with \\ goes on in the next"


def chat(
    run: Path,
    *,
    base: bool,
    max_new_tokens: int | None,
    temperature: float,
    system: str | None,
) -> None:
    """Talk to a run's model until the input ends; by default an answer is cut where the run's eval cuts.

    Raises:
        InputError: there is no such run, or it has no trained model yet.
        ArtifactError: a file of the model is missing or is not the one that training wrote.
    """
    folder = find_run(run)
    config, config_base = load(folder / "config.yaml", [])
    model = base_model(folder, config, config_base) if base else folder / "train" / "export"
    on_terminal = sys.stdin.isatty()
    with _ctrl_c_ends():
        if on_terminal:
            print(f"loading {'the base model' if base else model} …", flush=True)
        verify(folder / "train", cure=stage_command(folder, "train"), only=("export/", "base/"))
        from eval.answering.conversation import Chat

        loaded = Chat(
            model,
            tokenizer=folder / "train" / "export",
            max_new_tokens=max_new_tokens or config.eval.max_new_tokens,
            temperature=temperature,
            seed=config.seed,
            system=system,
            num_threads=max(1, int(usable_cores()[0])),
        )
    if on_terminal:
        print(HELP, flush=True)
    talk(loaded, trained_tokens=config.data.seq_len)


@contextlib.contextmanager
def _ctrl_c_ends() -> Iterator[None]:
    """While libraries load, Ctrl-C ends the process: some of them swallow a KeyboardInterrupt."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def find_run(run: Path) -> Path:
    """The folder of a run with a trained model.

    Raises:
        InputError: says what is there instead.
    """
    folder = run_folder.find_run(run)
    if not (folder / "train" / "manifest.json").exists():
        raise InputError(
            f"{folder}: training is not finished, so there is no model to talk to; "
            f"run: {stage_command(folder, 'train')}"
        )
    return folder


def base_model(folder: Path, config: RunConfig, config_base: Path) -> Path:
    """Where the model lies that training began with."""
    if config.model.path is None or config.model.remakes_vocabulary:
        return folder / "train" / "base"
    from hunmin.models.folder import locate_model

    return locate_model(config.model.path, base=config_base)


def talk(chat: Any, *, trained_tokens: int) -> None:
    """Questions from stdin, answers to stdout, until the end of the input, /quit or Ctrl-C at a question.

    A conversation longer than `trained_tokens`, the longest row of training, is told of once.
    """
    told = False
    for text in _messages():
        if text == "/quit":
            return
        if text == "/reset":
            chat.reset()
            told = False
            _note("the conversation is forgotten")
            continue
        if text.startswith("/") and " " not in text and text[1:].isalpha():
            _note(f"{text} is no command here; {HELP}")
            continue
        try:
            reply = chat.ask(text, show=_show)
        except KeyboardInterrupt:
            print(flush=True)
            _note("stopped; the question and this answer are forgotten")
            continue
        except InputError as error:
            _note(str(error))
            continue
        print(flush=True)
        if not reply.stopped:
            _note("cut at the limit; --max-new-tokens makes it longer")
        if reply.num_tokens > trained_tokens and not told:
            told = True
            _note(
                f"{reply.num_tokens} tokens: longer than any row of training (data.seq_len {trained_tokens})"
            )


def _messages() -> Iterator[str]:
    """What the user writes: a line, or lines joined where one ends with a backslash; no empty ones."""
    terminal = sys.stdin.isatty()
    if terminal:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  # editing and history in input(), Hangul included
    else:
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="replace")  # type: ignore[union-attr]
    parts: list[str] = []
    while True:
        try:
            line = input("… " if parts else "> ") if terminal else _next_line()
        except KeyboardInterrupt:
            print()
            return
        except EOFError:
            if terminal:
                print()
            if text := "\n".join(parts).strip():
                yield text
            return
        if line.endswith("\\"):
            parts.append(line[:-1])
            continue
        text = "\n".join([*parts, line]).strip()
        parts = []
        if text:
            yield text


def _next_line() -> str:
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\r\n")


def _show(piece: str) -> None:
    print(piece, end="", flush=True)


def _note(text: str) -> None:
    print(f"({text})", file=sys.stderr, flush=True)
