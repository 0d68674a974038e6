"""The names that a data set itself gives to the numbers of its labels, in its files or beside them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from data_pipeline.sources.files.columnar import class_names, columnar_kind

_CARD, _FENCE = "README.md", "---\n"


def label_names(path: Path, column: str) -> tuple[str, ...]:
    """The names of the labels 0, 1, .. of a column of a file; none where nothing says them.

    A Parquet or Arrow file of `datasets` holds them; else `dataset_info.json` beside the file, or the card
    (README.md) of its folder or the folder above may.
    """
    inside = class_names(str(path), column) if columnar_kind(str(path)) else []
    if inside:
        return tuple(inside)
    for features in (*_of_info(path.parent), *_of_cards(path.parent, path.parent.parent)):
        for feature in features if isinstance(features, list) else []:
            if isinstance(feature, dict) and feature.get("name") == column and (names := _names(feature)):
                return names
    return ()


def _of_info(folder: Path) -> list[Any]:
    """Features of dataset_info.json, {label: {_type: ClassLabel, names: [..]}}, as a card lists them."""
    info = _read(folder / "dataset_info.json", json.loads)
    features = info.get("features") if isinstance(info, dict) else None
    if not isinstance(features, dict):
        return []
    return [[{"name": name, "dtype": {"class_label": one}} for name, one in features.items()]]


def _of_cards(*folders: Path) -> Iterable[Any]:
    """Features of each configuration in the head of the folders' cards.

    Source: https://github.com/huggingface/datasets/blob/main/templates/README_guide.md
    """
    for folder in folders:
        text = _read(folder / _CARD, str)
        if not isinstance(text, str) or not text.startswith(_FENCE):
            continue
        head = _read_yaml(text.split(_FENCE, 2)[1])
        infos = head.get("dataset_info") if isinstance(head, dict) else None
        for info in infos if isinstance(infos, list) else [infos]:
            if isinstance(info, dict):
                yield info.get("features")


def _names(feature: dict[str, Any]) -> tuple[str, ...]:
    """Of {dtype: {class_label: {names: ..}}}: a list, or a mapping from the number."""
    kind = feature.get("dtype")
    label = kind.get("class_label") if isinstance(kind, dict) else None
    names = label.get("names") if isinstance(label, dict) else None
    if isinstance(names, dict):
        names = [names.get(str(number), names.get(number)) for number in range(len(names))]
    return tuple(map(str, names)) if isinstance(names, list) and None not in names else ()


def _read(path: Path, parse: Any) -> Any:
    """What a file beside the data says; None where it is not there, or says nothing that can be read."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a page for people: what is wrong in it is no fault of the data
        return None


def _read_yaml(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:  # as above
        return None
