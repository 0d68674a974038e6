"""Useful tokens a second of the `hf` engine beside transformers' `generate`, with the same greedy answers.

    python benchmarks/answers.py [--workload plain wordings few_shot labels] [--batch-size 16] [--repeats 3]

A Llama with random weights (256 wide, 6 layers, vocabulary 8,000) answers 128 prompts on one thread in fp32.
Its weights are drawn wide, so that greedy answers do not loop, and every 40th token of the vocabulary ends an
answer: lengths are geometric, at most 192. `generate` takes batches of 8 in the order of the corpus, padded
left; both count the tokens that stand in answers. The two take turns; medians, CPU seconds.

    plain     prompts of 16 to 128 tokens that share nothing
    wordings  a system message of 48 tokens, 32 inputs of 32 to 96 tokens, each asked in 4 wordings
    few_shot  a system message and worked examples, 288 tokens in all, before inputs of 16 to 64 tokens
    labels    as wordings, but every 4th token ends an answer: reading prompts is most of the work
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from eval.answering.groups import ModelRef, Prompt, make_groups
from eval.engines import Generation, GenerationSettings
from eval.engines.hf import HFEngine

VOCABULARY, MAX_NEW_TOKENS, PLAIN_BATCH = 8_000, 192, 8
Answers = dict[str, Generation]


def workload(name: str, num_prompts: int) -> list[Prompt]:
    """Prompts in the order of a corpus, which is none."""
    rng = random.Random(0)

    def tokens(shortest: int, longest: int) -> list[int]:
        return [rng.randrange(1, VOCABULARY) for _ in range(rng.randint(shortest, longest))]

    if name == "plain":
        prompts = [tokens(16, 128) for _ in range(num_prompts)]
    elif name == "few_shot":
        shared = tokens(288, 288)
        prompts = [shared + tokens(16, 64) for _ in range(num_prompts)]
    else:
        system, wordings = tokens(48, 48), [tokens(8, 20) for _ in range(4)]
        inputs = [tokens(32, 96) for _ in range(num_prompts // 4)]
        prompts = [system + asked + wording for asked in inputs for wording in wordings]
    rng.shuffle(prompts)
    return [Prompt(f"row/{index:04d}", ids) for index, ids in enumerate(prompts)]


def by_generate(model: Any, prompts: list[Prompt], settings: GenerationSettings) -> Answers:
    """By transformers alone: left-padded batches of 8 in the order given."""
    answers: Answers = {}
    ends = set(settings.stop_ids)
    for start in range(0, len(prompts), PLAIN_BATCH):
        batch = prompts[start : start + PLAIN_BATCH]
        width = max(len(prompt.ids) for prompt in batch)
        pads = [width - len(prompt.ids) for prompt in batch]
        out = model.generate(
            input_ids=torch.tensor([[0] * pad + one.ids for pad, one in zip(pads, batch, strict=True)]),
            attention_mask=torch.tensor([[0] * pad + [1] * (width - pad) for pad in pads]),
            do_sample=False,
            max_new_tokens=settings.max_new_tokens,
            eos_token_id=sorted(ends),
            pad_token_id=0,
        )[:, width:].tolist()
        for prompt, ids in zip(batch, out, strict=True):
            end = next((at for at, token in enumerate(ids) if token in ends), None)
            answers[prompt.sample_id] = Generation(ids[:end], end is not None)
    return answers


def by_engine(engine: HFEngine, prompts: list[Prompt], settings: GenerationSettings) -> Answers:
    """As eval asks: the groups of one model, one after the other."""
    groups = make_groups(
        prompts,
        models=[ModelRef("base", "", "")],
        settings=settings,
        batch_size=settings.batch_size,
        parts_dir=Path("parts"),  # a name: nothing is written
    )
    answers: Answers = {}
    for group in groups:
        found = engine.generate([prompt.ids for prompt in group.prompts])
        answers |= dict(zip([prompt.sample_id for prompt in group.prompts], found, strict=True))
    return answers


def cpu_seconds(work: Callable[[], Answers]) -> tuple[float, Answers]:
    """CPU seconds of this process, and what it answered."""
    start = time.process_time()
    answers = work()
    return time.process_time() - start, answers


def measure(model: Any, folder: str, name: str, args: argparse.Namespace) -> str:
    """A line on one workload."""
    settings = GenerationSettings(
        max_new_tokens=MAX_NEW_TOKENS,
        temperature=0.0,
        seed=0,
        stop_ids=tuple(range(0, VOCABULARY, 4 if name == "labels" else 40)),
        num_threads=1,
        batch_size=args.batch_size,
    )
    engine = HFEngine(folder, settings=settings)
    prompts = workload(name, args.num_prompts)
    plain: list[tuple[float, Answers]] = []
    own: list[tuple[float, Answers]] = []
    for _ in range(args.repeats):
        plain.append(cpu_seconds(lambda: by_generate(model, prompts, settings)))
        own.append(cpu_seconds(lambda: by_engine(engine, prompts, settings)))
    answers = plain[0][1]
    plain_s, own_s = (statistics.median(seconds for seconds, _ in runs) for runs in (plain, own))
    num_tokens = sum(len(one.ids) + one.stopped for one in answers.values())
    num_equal = sum(own[-1][1][key] == one for key, one in answers.items())
    return (
        f"{name:9} {sum(len(one.ids) for one in prompts):6} tokens asked {num_tokens:5} answered; tokens/s: "
        f"generate {num_tokens / plain_s:.0f}, engine {num_tokens / own_s:.0f}, ratio {plain_s / own_s:.2f}; "
        f"{num_equal} of {len(answers)} answers equal"
    )


def main() -> None:
    """Print a line a workload."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workload", nargs="+", default=["plain", "wordings", "few_shot", "labels"])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--num-prompts", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=4,
        vocab_size=VOCABULARY,
        max_position_embeddings=1024,
        initializer_range=0.2,
    )
    model = LlamaForCausalLM(config).eval()
    model.generation_config.eos_token_id = None
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        for name in args.workload:
            print(measure(model, folder, name, args), flush=True)


if __name__ == "__main__":
    main()
