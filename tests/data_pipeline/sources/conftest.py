"""Write literal files, expand and read them as one source."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from source_helpers import Files, write_files

from data_pipeline.config import SourceConfig
from data_pipeline.sources import expand, read

ReadFiles = Callable[..., list[Any]]


@pytest.fixture
def read_files(tmp_path: Path) -> ReadFiles:
    def _read(files: Files, **settings: Any) -> list[Any]:
        write_files(tmp_path, files)
        settings.setdefault("path", next(iter(files)))
        source = SourceConfig.model_validate({"name": "s", **settings})
        return [row for unit in expand(source, index=0, base=tmp_path) for row in read(unit, source)]

    return _read
