"""vLLM's greedy answers against our own decoding on the same GPU, in fp32.

python -m tools.gpu_check.measure_vllm vllm|hf FOLDER    (vllm first; hf compares and prints one JSON object)

Written and read against vLLM's documentation; run on a CPU (vLLM 0.32), not yet on a GPU.
Judged by `judge`: kernels add up in other orders, so where two tokens have almost the same logit either is
right; anything else must be equal.
"""

import json
import random
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from eval.engines import Generation, GenerationSettings, Place
from eval.engines.hf import HFEngine
from tools.gpu_check.judge_trainer import Outcome

MAX_TIE = 0.01  # logits; their standard deviation is about 1
VOCAB_SIZE = 512
SETTINGS = GenerationSettings(
    max_new_tokens=48,
    temperature=0.0,
    seed=0,
    stop_ids=tuple(range(5, VOCAB_SIZE, 40)),  # answers end at different times
    num_threads=1,
)


def prompts() -> list[list[int]]:
    """32 prompts of 3 to 120 tokens."""
    rng = random.Random(0)
    return [[rng.randrange(VOCAB_SIZE) for _ in range(rng.randint(3, 120))] for _ in range(32)]


def make_model(folder: Path) -> None:
    """A small random Llama whose greedy answers vary."""
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=512,
        vocab_size=VOCAB_SIZE,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=config.hidden_size**-0.5)
    model.save_pretrained(folder)


def _place() -> Place:
    return Place(("cuda",)) if torch.cuda.is_available() else Place()


def by_vllm(folder: Path) -> None:
    """Answers to a file."""
    from eval.engines.vllm import VLLMEngine

    make_model(folder / "model")
    settings = replace(SETTINGS, engine="vllm")
    engine = VLLMEngine(str(folder / "model"), settings=settings, place=_place())
    answers = [asdict(one) for one in engine.generate(prompts())]
    (folder / "vllm.json").write_text(json.dumps(answers))


def against_hf(folder: Path) -> dict[str, Any]:
    """How many answers are equal, and the largest gap in our logits at the first token that is not."""
    place = _place()
    engine = HFEngine(str(folder / "model"), settings=SETTINGS, place=place)
    theirs = [Generation(**one) for one in json.loads((folder / "vllm.json").read_text())]
    ours = engine.generate(prompts())
    gaps = [
        _gap(folder / "model", prompt, mine, other, device=place.devices[0])
        for prompt, mine, other in zip(prompts(), ours, theirs, strict=True)
        if mine != other
    ]
    return {"answers": len(ours), "equal": len(ours) - len(gaps), "largest_gap": max(gaps, default=0.0)}


@torch.inference_mode()
def _gap(folder: Path, prompt: list[int], mine: Generation, other: Generation, *, device: str) -> float:
    """Our best logit minus our logit of the token that vLLM took instead, where the two part."""
    same = next(
        (i for i, (a, b) in enumerate(zip(mine.ids, other.ids, strict=False)) if a != b),
        min(len(mine.ids), len(other.ids)),
    )
    model: Any = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.tensor([[*prompt, *mine.ids[:same]]], device=device)
    logits_V = model.to(device)(input_ids=ids).logits[0, -1]
    stop_ids = [*SETTINGS.stop_ids, 1]
    taken = [other.ids[same]] if same < len(other.ids) else stop_ids
    return float(logits_V.max() - logits_V[taken].max())


def judge(found: dict[str, Any]) -> Outcome:
    """Equal, or parted at a tie."""
    equal = found["equal"] == found["answers"]
    return Outcome(
        "vllm",
        "pass" if equal or found["largest_gap"] <= MAX_TIE else "FAIL",
        measured=f"{found['equal']} of {found['answers']} answers equal, gap {found['largest_gap']:.4f}",
        bound=f"equal, or parted at a gap up to {MAX_TIE} in the logits",
        reason="greedy ids in fp32 against our decoding",
    )


if __name__ == "__main__":
    if sys.argv[1] == "vllm":
        by_vllm(Path(sys.argv[2]))
    else:
        print(json.dumps(against_hf(Path(sys.argv[2]))), flush=True)
