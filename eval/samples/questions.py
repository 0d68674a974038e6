"""All that a run's models are asked: held-out rows, some of them in a held-out wording too, and probes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from eval.config import EvalConfig
from eval.probes import Material, probes
from eval.samples.own_history import Render, conversations
from eval.samples.samples import Sample, as_written, draw_samples, make_samples, read_heldout, render_prompts
from eval.samples.unseen_wordings import draw_again
from eval.scores.score_table import metrics_of
from hunmin.models.renderer import Renderer
from hunmin.progress import say


@dataclass(frozen=True)
class Questions:
    """What is asked, each list in canonical order, and what cannot be asked, by reason."""

    material: Material  # its samples are the held-out rows that are asked
    again: list[Sample]  # those in a held-out wording, of the tuned model only
    conversations: list[list[Sample]]  # turns of `samples` that are asked on the model's own answers too
    probes: dict[str, list[Sample]]  # by probe; one that asks nothing and judges nothing is left out
    prompts: dict[str, list[int]]  # ids, by sample id
    skipped: dict[str, int]
    skipped_again: dict[str, int]
    skipped_probes: dict[str, int]
    render: Render  # prompts of further questions, and how many there are none of, by reason
    longest_prompt: int  # tokens at most, of conversations on longer answers too

    @property
    def samples(self) -> Sequence[Sample]:
        """The held-out rows."""
        return self.material.samples

    @property
    def num_probed(self) -> dict[str, int]:
        """Questions of each probe that asks some."""
        return {name: len(members) for name, members in self.probes.items() if members}


def choose_questions(
    data_dir: Path, *, config: EvalConfig, seed: int, renderer: Renderer, max_prompt_tokens: int
) -> Questions:
    """Draw what is asked, a pure function of the data stage, the config and the seed.

    Raises:
        InputError: a task names an unknown metric.
    """
    prompts: dict[str, list[int]] = {}

    render = partial(render_prompts, renderer=renderer, max_prompt_tokens=max_prompt_tokens)

    def renderable(samples: Sequence[Sample]) -> tuple[list[Sample], dict[str, int]]:
        rendered, skipped = render(samples)
        prompts.update(rendered)
        return [sample for sample in samples if sample.sample_id in rendered], skipped

    rows, tasks = read_heldout(data_dir / "heldout.parquet")
    seen, unread = as_written(
        make_samples([row for row in rows if row["seen_wording"]], tasks), renderer.answers
    )
    unseen = make_samples([row for row in rows if not row["seen_wording"]], tasks)
    samples, skipped = renderable(draw_samples(seen, per_task=config.max_samples_per_task, seed=seed))
    skipped |= unread
    again, skipped_again = renderable(draw_again(samples, unseen, per_task=config.unseen_wordings, seed=seed))
    metrics = {task: metrics_of(task, info, run_code=config.run_code) for task, info in tasks.items()}
    material = Material(config, seed, data_dir, tasks, metrics, samples, unseen)
    probed = {name: renderable(probe.ask(material)) for name, probe in probes().items()}
    asked_on = conversations(samples, per_task=config.own_history, seed=seed)
    longest = max(map(len, prompts.values()), default=0)
    longest += config.max_new_tokens * max((len(members) - 1 for members in asked_on), default=0)
    return Questions(
        material,
        again,
        asked_on,
        {name: members for name, (members, _) in probed.items() if members or probes()[name].of_heldout},
        prompts,
        skipped,
        skipped_again,
        dict(sum((Counter(skipped) for _, skipped in probed.values()), Counter[str]())),
        render,
        min(longest, max_prompt_tokens),
    )


def say_what_is_asked(asked: Questions) -> None:
    """What is asked besides the held-out rows, and what cannot be asked."""
    if asked.again:
        say(
            f"eval: {len(asked.again)} of the {len(asked.samples)} held-out samples are asked in a held-out "
            "wording too"
        )
    if asked.conversations:
        say(f"eval: {len(asked.conversations)} conversations are asked on the models' own answers too")
    material = asked.material
    unrun = [
        task
        for task, info in material.tasks.items()
        if len(metrics_of(task, info, run_code=True)) > len(material.metrics[task])
    ]
    if unrun:
        say(
            f"eval: {', '.join(unrun)}: metrics that run the code of models are left out; eval.run_code: "
            "true runs it in a sandbox"
        )
    if counts := asked.num_probed:
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        say(f"eval: questions besides: {said}")
    skipped = Counter(asked.skipped) + Counter(asked.skipped_again) + Counter(asked.skipped_probes)
    if skipped:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(skipped.items()))
        say(
            f"eval: {sum(skipped.values())} samples cannot be asked ({reasons}); "
            "a lower eval.max_new_tokens leaves more room for a prompt"
        )
    if not asked.samples:
        say("eval: no held-out sample to ask, so there are no scores; raise data.split.heldout")
