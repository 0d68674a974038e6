"""`hunmin judge RUN`: who judges, and what the judge found as text."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hunmin.errors import InputError
from hunmin.limits import usable_cores
from hunmin.lock import run_lock
from hunmin.progress import say
from hunmin.url_secrets import masked
from launcher.commands.run_folder import find_run, stage_command
from launcher.config import load

URL, MODEL, KEY = "HUNMIN_JUDGE_URL", "HUNMIN_JUDGE_MODEL", "HUNMIN_JUDGE_KEY"


def judge(
    run: Path,
    *,
    url: str | None,
    model: str | None,
    local: Path | None,
    samples: int,
    num_requests: int,
    timeout_s: float,
) -> dict[str, Any]:
    """Compare the answers of base and tuned by a model that judges; the results, also in RUN/judge.

    Raises:
        InputError: no judge is named, or it refused; the run has nothing to judge.
        EnvironmentFailure: the endpoint did not answer.
    """
    folder = find_run(run)
    config, _ = load(folder / "config.yaml", [])
    from eval.judge.judging import judge_run

    with run_lock(folder):
        return judge_run(
            folder,
            _asker(url, model, local, num_requests=num_requests, timeout_s=timeout_s),
            samples=samples,
            seed=config.seed,
            num_resamples=config.eval.bootstrap_samples,
            cure=stage_command(folder, "eval"),
        )


def _asker(
    url: str | None, model: str | None, local: Path | None, *, num_requests: int, timeout_s: float
) -> Any:
    from eval.judge.askers import EndpointAsker, LocalAsker
    from hunmin.models.endpoint import Endpoint

    if local is not None:
        if url or model:
            raise InputError(
                "--local names a judge on this machine, --url and --model one elsewhere; leave one"
            )
        export = local / "train" / "export"
        return LocalAsker(export if export.is_dir() else local, num_threads=max(1, int(usable_cores()[0])))
    url, model = url or os.environ.get(URL), model or os.environ.get(MODEL)
    if not url or not model:
        raise InputError(
            "no judge is named; needed are --url http://HOST/v1 --model NAME (or "
            f"{URL} and {MODEL}), with the key in {KEY} where it wants one, or --local FOLDER"
        )
    if masked(url) != url:
        raise InputError(
            f"{masked(url)}: the URL holds a secret, which results would show; put it into {KEY}"
        )
    key = os.environ.get(KEY)
    if key and url.startswith("http://") and urlsplit(url).hostname not in ("127.0.0.1", "::1", "localhost"):
        say(f"judge: {url} is not encrypted, and the key of {KEY} is sent to it")
    say(f"judge: questions and answers of the run are sent to {url}")
    return EndpointAsker(Endpoint(url, model, key or None, timeout_s=timeout_s), num_requests)


def as_text(results: dict[str, Any]) -> str:
    """The win rates, a line a criterion."""
    lines = [
        f"{results['pairs']} pairs judged by {results['judge']['model']} in both orders; "
        f"{results['equal']} were equal, {results['unjudged_pairs']} could not be read"
    ]
    for name, found in results["criteria"].items():
        if found is None:
            continue
        rate = found["win_rate"]
        bounds = "" if rate["low"] is None else f" ({rate['low']:.1f} to {rate['high']:.1f})"
        lines.append(
            f"  {name:<13} tuned wins {rate['value']:5.1f} %{bounds}: {found['tuned']} won, {found['ties']} "
            f"ties ({found['disagreed']} by order), {found['base']} lost"
        )
    for name, found in (results["people"] or {}).items():
        lines.append(f"  {name:<13} agrees with people on {found['agreed']:.1f} % of {found['n']} pairs")
    tokens = results["tokens"]
    lines.append(f"tokens: {tokens['prompt']:,} read, {tokens['answer']:,} written")
    return "\n".join(lines)
