"""`hunmin judge RUN`: a model compares what base and tuned said. Read this first.

eval/samples.parquet -> pairs -> two requests a pair, one in each order -> replies.jsonl (a cache)
                     -> verdicts -> RUN/judge/results.json
"""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from eval.judge.askers import Asker
from eval.judge.pair_verdicts import Replies, agreement, verdict, wins
from eval.judge.rubric import CRITERIA, VERSION, Choice, Language, read_reply, request
from eval.samples.samples import read_heldout
from hunmin import artifact
from hunmin.artifact import Manifest
from hunmin.errors import InputError
from hunmin.hashing import sha256_json, stable_hash
from hunmin.models.endpoint import Reply
from hunmin.models.reply_cache import ReplyCache
from hunmin.progress import progress, say

STAGE_VERSION = 1
FOLDER, RESULTS, REPLIES = "judge", "results.json", "replies.jsonl"
COLUMNS = ["sample_id", "row_id", "system", "task", "language", "prompt", "references", "label", "answer"]


class Pair(NamedTuple):
    """A question with both answers."""

    sample_id: str
    family_id: str
    task: str
    language: Language
    question: str
    reference: str | None
    base: str
    tuned: str


def judge_run(
    run_dir: Path, asker: Asker, *, samples: int, seed: int, num_resamples: int, cure: str
) -> dict[str, Any]:
    """Judge drawn pairs, write RUN/judge, and return its results. What was asked before is not asked again.

    Samples of label tasks are left out, for a label is right or wrong, and pairs of equal answers are ties
    that nobody is asked for. `cure` is the command that makes eval, for messages.

    Raises:
        ArtifactError: eval is not finished, or a file differs from its manifest.
        InputError: there is nothing to judge, or the judge refused for good.
        EnvironmentFailure: the endpoint did not answer; the same command goes on.
    """
    start = time.monotonic()
    eval_manifest = artifact.verify(run_dir / "eval", cure=cure, only=("samples.parquet",))
    pairs, labelled = read_pairs(run_dir)
    chosen = draw(pairs, limit=samples, seed=seed)
    if not chosen:
        raise InputError(
            f"{run_dir}: no pair of answers to judge ({labelled} samples are of label tasks, which need none)"
        )
    different = [pair for pair in chosen if pair.base != pair.tuned]
    folder = run_dir / FOLDER
    (folder / artifact.MANIFEST).unlink(missing_ok=True)
    cache = ReplyCache(folder / REPLIES)
    requests = [messages for pair in different for messages in _requests(pair)]
    replies, asked = ask_all(requests, asker, cache)
    read = [read_reply(reply.text) for reply in replies]
    judged: list[tuple[Pair, Replies]] = [
        (pair, (first, second))
        for pair, first, second in zip(different, read[::2], read[1::2], strict=True)
        if first is not None and second is not None
    ]
    tie: dict[str, Choice] = dict.fromkeys(CRITERIA, "tie")
    judged += [(pair, (tie, tie)) for pair in chosen if pair.base == pair.tuned]
    results = {
        "schema_version": 1,
        "judge": asker.identity,
        "rubric_version": VERSION,
        "seed": seed,
        "eval_sha256": eval_manifest.content_sha256,
        "pairs": len(chosen),
        "labelled": labelled,
        "equal": len(chosen) - len(different),
        "unread_replies": sum(one is None for one in read),
        "unjudged_pairs": len(chosen) - len(judged),
        "requests": {"all": len(requests), "asked_now": asked},
        "tokens": {
            "prompt": sum(one.prompt_tokens for one in replies),
            "answer": sum(one.answer_tokens for one in replies),
        },
        "criteria": _by_criterion(judged, num_resamples=num_resamples, seed=seed),
        "tasks": {
            task: _by_criterion(
                [one for one in judged if one[0].task == task],
                num_resamples=num_resamples,
                seed=seed,
                criteria=("overall",),
            )["overall"]
            for task in sorted({pair.task for pair, _ in judged})
        },
        "people": _beside_people(run_dir, judged),
        "verdicts": {
            pair.sample_id: {name: verdict(said, name).value for name in CRITERIA} for pair, said in judged
        },
    }
    _commit(folder, results, parent=eval_manifest.content_sha256, start=start)
    return results


def read_pairs(run_dir: Path) -> tuple[list[Pair], int]:
    """Both models' answers to each sample without a label, by id; and how many samples have one."""
    rows, _ = read_heldout(run_dir / "data" / "heldout.parquet")
    families = {row["row_id"]: row["family_id"] for row in rows}
    said: dict[str, dict[str, dict[str, Any]]] = {}
    for row in pq.read_table(run_dir / "eval" / "samples.parquet", columns=COLUMNS).to_pylist():
        if row["system"] in ("base", "tuned"):
            said.setdefault(row["sample_id"], {})[row["system"]] = row
    free = {name: both for name, both in said.items() if both["tuned"]["label"] is None}
    pairs = [
        Pair(
            sample_id=name,
            family_id=families[both["tuned"]["row_id"]],
            task=both["tuned"]["task"],
            language="ko" if both["tuned"]["language"] == "ko" else "en",
            question=both["tuned"]["prompt"],
            reference=next(iter(both["tuned"]["references"]), None),
            base=both["base"]["answer"],
            tuned=both["tuned"]["answer"],
        )
        for name, both in sorted(free.items())
    ]
    return pairs, len(said) - len(free)


def draw(pairs: Sequence[Pair], *, limit: int, seed: int) -> list[Pair]:
    """At most `limit` pairs, as many of each task as there are, by the seed; in canonical order."""
    by_task: dict[str, list[Pair]] = {}
    for pair in sorted(pairs, key=lambda one: stable_hash(seed, "judge", one.sample_id)):
        by_task.setdefault(pair.task, []).append(pair)
    turns = [(turn, task) for task, members in by_task.items() for turn in range(len(members))]
    return sorted(by_task[task][turn] for turn, task in sorted(turns)[:limit])


def _requests(pair: Pair) -> list[list[dict[str, str]]]:
    """Base first, then tuned first."""
    return [
        request(pair.question, first, second, reference=pair.reference, language=pair.language)
        for first, second in ((pair.base, pair.tuned), (pair.tuned, pair.base))
    ]


def ask_all(
    requests: Sequence[Sequence[dict[str, str]]], asker: Asker, cache: ReplyCache
) -> tuple[list[Reply], int]:
    """Replies in the requests' order, and how many had to be asked for; each is kept when it comes."""
    who = asker.identity
    keys = [sha256_json({"judge": who, "messages": list(messages)}) for messages in requests]
    missing = {key: messages for key, messages in zip(keys, requests, strict=True) if cache.get(key) is None}
    names = list(missing)
    if names:
        say(f"judge: {len(names)} requests to {who['model']}, {len(keys) - len(names)} replies are there")
    with progress("judge", len(names)) as ticker:
        for place, reply in asker.ask(list(missing.values())):
            cache.put(names[place], reply)
            ticker.advance()
    replies = [cache.get(key) for key in keys]
    return [reply for reply in replies if reply is not None], len(names)


def _by_criterion(
    judged: Sequence[tuple[Pair, Replies]],
    *,
    num_resamples: int,
    seed: int,
    criteria: Iterable[str] = tuple(CRITERIA),
) -> dict[str, Any]:
    families = [pair.family_id for pair, _ in judged]
    replies = [said for _, said in judged]
    return {
        name: wins(replies, families, name, num_resamples=num_resamples, seed=seed) if judged else None
        for name in criteria
    }


def _beside_people(run_dir: Path, judged: Sequence[tuple[Pair, Replies]]) -> dict[str, Any] | None:
    """Agreement by criterion with the pairwise ratings of RUN/human; None where there are none."""
    people = people_said(run_dir / "human")
    ours = {(pair.sample_id, name): verdict(said, name).value for pair, said in judged for name in CRITERIA}
    found = {name: agreement(ours, people, name) for name in CRITERIA}
    return {name: one for name, one in found.items() if one is not None} or None


def people_said(folder: Path) -> dict[tuple[str, str], list[int]]:
    """Pairwise ratings that people gave, by sample and criterion: 1 tuned is better, 0 a tie, -1 base."""
    ratings, key = folder / "ratings.parquet", folder / "pairwise" / "key.parquet"
    if not ratings.exists() or not key.exists():
        return {}
    samples = {
        row["item_id"]: row["sample_id"]
        for row in pq.read_table(key, columns=["item_id", "sample_id"]).to_pylist()
    }
    found: dict[tuple[str, str], list[int]] = {}
    columns = ["mode", "item_id", "criterion", "value"]
    for row in pq.read_table(ratings, columns=columns).to_pylist():
        if row["mode"] == "pairwise" and row["item_id"] in samples:
            found.setdefault((samples[row["item_id"]], row["criterion"]), []).append(row["value"])
    return found


def _commit(folder: Path, results: dict[str, Any], *, parent: str, start: float) -> Manifest:
    """What was asked now and what had been asked before is the same result."""
    artifact.write_json(folder / RESULTS, results)
    content = {name: value for name, value in results.items() if name != "requests"}
    return artifact.commit(
        folder,
        stage="judge",
        stage_version=STAGE_VERSION,
        parents={"eval": parent},
        config_sha256=sha256_json({"judge": results["judge"], "rubric": VERSION, "seed": results["seed"]}),
        content_sha256=sha256_json(content),
        counts={name: results[name] for name in ("pairs", "equal", "unread_replies", "unjudged_pairs")},
        files=[folder / RESULTS],
        seconds=time.monotonic() - start,
    )
