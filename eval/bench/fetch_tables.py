"""A suite's tables from the hub into a folder, for machines without a network."""

import json
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from eval.bench.question_tables import RECORD, Wanted, folder_name
from eval.bench.suites import Suite
from hunmin.artifact import write_json, written_whole
from hunmin.errors import EnvironmentFailure, one_line
from hunmin.progress import progress, say


def fetch_tables(wanted: Iterable[Wanted], *, suite: Suite, folder: Path) -> None:
    """Bring the tables that are not there yet, and note their commits.

    Raises:
        EnvironmentFailure: the hub does not give one; what was brought stays.
    """
    ordered = sorted(wanted, key=lambda one: (one.key, one.split))
    for dataset, members in groupby(ordered, key=lambda one: one.dataset):
        place = folder / folder_name(dataset)
        asked = suite.revisions.get(dataset)
        try:
            revision = _commit_of(dataset, asked)
            keep = _recorded(place) == (dataset, revision)  # tables of another commit are brought anew
            tables = list(members)
            with progress(f"bench: {dataset}", len(tables)) as ticker:
                for one in tables:
                    _bring(one, folder / one.place.with_name(f"{one.split}.parquet"), revision, keep=keep)
                    ticker.advance()
        except (OSError, ValueError) as error:  # of the network, the hub, the library, the disk
            raise EnvironmentFailure(
                f"{dataset}: the hub does not give it ({one_line(error)}); try again, or lay its tables into "
                f"{place} and leave --fetch out"
            ) from error
        write_json(place / RECORD, {"dataset": dataset, "asked": asked, "revision": revision})
        say(f"bench: {dataset} at {revision or 'no commit'}: {len(tables)} table(s) in {place}")


def _commit_of(dataset: str, asked: str | None) -> str | None:
    """The commit that a dataset stands at; None for a folder of this machine."""
    if Path(dataset).is_dir():
        return None
    from huggingface_hub import HfApi

    return HfApi().dataset_info(dataset, revision=asked).sha


def _recorded(place: Path) -> tuple[str, str | None] | None:
    record = place / RECORD
    if not record.is_file():
        return None
    told = json.loads(record.read_text())
    return told["dataset"], told["revision"]


def _bring(wanted: Wanted, path: Path, revision: str | None, *, keep: bool) -> None:
    if keep and path.is_file():
        return
    from datasets import load_dataset

    options: dict[str, Any] = {} if revision is None else {"revision": revision}
    table = load_dataset(wanted.dataset, wanted.subset, split=wanted.split, **options)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as partial:
        table.to_parquet(partial)
