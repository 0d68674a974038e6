"""Files of many formats -> draft rows and rejections, one record at a time.

`expand` finds a source's files, `read` streams one of them, `describe` says in words how it is read.
"""

from data_pipeline.sources.files.records import Unit
from data_pipeline.sources.find import expand
from data_pipeline.sources.read import describe, read

__all__ = ["Unit", "describe", "expand", "read"]
