"""Embeddings that follow another vocabulary: which rows, and that ZeRO-3 trains them as a plain loop does."""

from pathlib import Path
from typing import Any

import pytest
import torch
from family_models import write_family
from plain_loop import SEED, gradients_of, job_in, packs_of, plain_loss, plain_model, relative_error, rows_of
from rank_helpers import VOCAB_SIZE, make_packs, make_tokenizer, run_ranks, write_split
from transformers import AddedToken, AutoModelForCausalLM, AutoTokenizer, LlamaConfig

from hunmin.errors import ConfigError, InputError
from hunmin.models.config import ModelConfig
from hunmin.models.tokenizer import chosen_tokenizer
from trainer.job import begin_training, finish_training
from trainer.model.embeddings import remake_base, vocab_map

NEW = ("<생각>", "</생각>", "<plan>")
PADDED = VOCAB_SIZE + 12  # embeddings that no token has


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with its tokenizer, and data whose packs use tokens that were added to it."""
    root = tmp_path_factory.mktemp("vocab")
    config = LlamaConfig(
        vocab_size=PADDED,
        hidden_size=24,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        tie_word_embeddings=request.param,
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(root / "model")
    make_tokenizer(root / "model")
    chosen_tokenizer(model_of(root), base=root).save_pretrained(root / "data/tokenizer")
    packs = make_packs(4, seq_len=48, seed=1, num_ids=VOCAB_SIZE + len(NEW))
    write_split(root / "data/train", [packs], split="train", seq_len=48)
    (root / "train").mkdir()
    return root


def model_of(root: Path, **changes: Any) -> ModelConfig:
    return ModelConfig.model_validate({"path": str(root / "model"), "add_tokens": NEW, **changes})


def test_a_new_token_begins_as_the_mean_of_its_pieces(root: Path) -> None:
    out = root / "grown"
    mapped = remake_base(root / "model", tokenizer_dir=root / "data/tokenizer", out=out)
    assert (mapped.num_kept, mapped.num_new) == (VOCAB_SIZE, len(NEW))
    old: Any = AutoModelForCausalLM.from_pretrained(root / "model")
    new: Any = AutoModelForCausalLM.from_pretrained(out)
    assert new.config.vocab_size == PADDED, "padding behind the tokens is used up before rows are added"
    own: Any = AutoTokenizer.from_pretrained(root / "model")
    grown: Any = AutoTokenizer.from_pretrained(out)
    for before, after in zip(
        (old.get_input_embeddings(), old.get_output_embeddings()),
        (new.get_input_embeddings(), new.get_output_embeddings()),
        strict=True,
    ):
        assert torch.equal(after.weight[:VOCAB_SIZE], before.weight[:VOCAB_SIZE])
        for token in NEW:
            pieces = own.encode(token, add_special_tokens=False)
            wanted = before.weight[pieces].mean(0)
            assert torch.allclose(after.weight[grown.convert_tokens_to_ids(token)], wanted, atol=1e-7)
    tied = old.config.tie_word_embeddings
    assert (new.get_input_embeddings().weight is new.get_output_embeddings().weight) == tied
    for name, parameter in new.model.layers.named_parameters():
        assert torch.equal(parameter, old.model.layers.get_parameter(name))


@pytest.mark.parametrize("family", ["gpt_neox", "gemma3_with_eyes"])
def test_rows_are_added_where_files_have_other_names_than_modules(tmp_path: Path, family: str) -> None:
    base, grown = write_family(family, tmp_path / "model"), tmp_path / "grown"
    make_tokenizer(base)
    tokenizer = make_tokenizer(tmp_path / "tokenizer")
    tokenizer.add_tokens([f"<y{number}>" for number in range(10)])
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    remake_base(base, tokenizer_dir=tmp_path / "tokenizer", out=grown)
    old: Any = AutoModelForCausalLM.from_pretrained(base)
    new: Any = AutoModelForCausalLM.from_pretrained(grown)
    for before, after in zip(
        (old.get_input_embeddings(), old.get_output_embeddings()),
        (new.get_input_embeddings(), new.get_output_embeddings()),
        strict=True,
    ):
        assert after.weight.shape == (VOCAB_SIZE + 10, 32)
        assert torch.equal(after.weight[:VOCAB_SIZE], before.weight[:VOCAB_SIZE])


def test_another_vocabulary_keeps_rows_by_string(tmp_path: Path) -> None:
    own = make_tokenizer(tmp_path / "a")
    other = make_tokenizer(tmp_path / "b", vocab_size=VOCAB_SIZE - 10)
    other.add_tokens([AddedToken("긍정", special=False)])
    mapped = vocab_map(other, own, num_rows=PADDED)
    ids = other.get_vocab()
    assert mapped.sources[ids["<eos>"]] == [own.get_vocab()["<eos>"]]
    assert mapped.sources[ids["긍정"]] == own.encode("긍정", add_special_tokens=False)
    assert len(mapped.sources) == len(other)


def test_a_text_with_an_added_token_has_its_id(root: Path) -> None:
    tokenizer = chosen_tokenizer(model_of(root), base=root)
    ids = tokenizer.encode("a<생각>b", add_special_tokens=False)
    assert ids[1] == tokenizer.get_vocab()["<생각>"] >= VOCAB_SIZE
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a<생각>b"


def step_and_gradients(root: Path) -> Any:
    from plain_loop import work_of

    from trainer import loop
    from trainer.engine.ranks import join_ranks

    job = job_in(root, model=model_of(root), global_batch_size=4, num_steps=1, learning_rate=1e-2)
    with join_ranks(timeout_s=60) as me:
        engine, _ = loop.set_up(job, me)
        work = work_of(job, me)
        for number, (batch, weights_N, *_) in enumerate(work.micro_batches, start=1):
            engine.backward((engine.losses(batch) * weights_N.float()).sum())
            if number < len(work.micro_batches):
                engine.step(0.0)
        found = {name: gradient.double() for name, gradient in engine.gradients()}
    return found


def one_step(root: Path) -> None:
    from trainer.loop import train

    train(job_in(root, model=model_of(root), global_batch_size=4, num_steps=1, learning_rate=1e-2))


def test_training_on_grown_embeddings_is_plain_training(root: Path) -> None:
    job = job_in(root, model=model_of(root), global_batch_size=4, num_steps=1, learning_rate=1e-2)
    stage, _ = begin_training(job)
    ours = run_ranks(step_and_gradients, 2, root)[0]
    rows = rows_of(packs_of(root, 0, global_batch_size=4))
    assert any(int(row.ids.max()) >= VOCAB_SIZE for row in rows), "new tokens are in the rows"
    exact, plain = (plain_model(root / "train/base", dtype) for dtype in (torch.float64, torch.float32))
    for model in (exact, plain):
        plain_loss(model, rows)
    own_error = relative_error(gradients_of(plain), gradients_of(exact))
    assert relative_error(ours, gradients_of(exact)) <= 2 * own_error

    run_ranks(one_step, 2, root)
    finish_training(job, stage)
    exported: Any = AutoModelForCausalLM.from_pretrained(root / "train/export")
    tied = exported.config.tie_word_embeddings
    assert (exported.get_input_embeddings().weight is exported.get_output_embeddings().weight) == tied
    assert len(AutoTokenizer.from_pretrained(root / "train/export")) == VOCAB_SIZE + len(NEW)
    base: Any = plain_model(root / "train/base", torch.float32)
    moved = exported.get_input_embeddings().weight - base.get_input_embeddings().weight
    assert float(moved[VOCAB_SIZE : VOCAB_SIZE + len(NEW)].detach().abs().max()) > 1e-4, "new rows learn"


def test_what_is_not_declared_is_refused(root: Path, tmp_path: Path) -> None:
    make_tokenizer(tmp_path, vocab_size=VOCAB_SIZE - 10)
    other = make_tokenizer(tmp_path, vocab_size=VOCAB_SIZE - 10)
    other.add_tokens(["xyz"])
    other.save_pretrained(tmp_path)
    declared = {"add_tokens": (), "tokenizer": str(tmp_path)}
    with pytest.raises(InputError, match=r"1 of its 291 ids are other tokens .* declare model"):
        chosen_tokenizer(model_of(root, **declared), base=root)
    mapped = chosen_tokenizer(model_of(root, **declared, vocabulary="map"), base=root)
    assert "xyz" in mapped.get_vocab()
    job = job_in(root, model=model_of(root), lora={"rank": 2})
    with pytest.raises(ConfigError, match=r"train.lora leaves the embeddings as they are"):
        begin_training(job)
    assert job.seed == SEED
