"""Files of many formats -> draft rows and rejections, one record at a time.

`expand` finds a source's files, `read` streams one of them, `describe` says in words how it is read. The two
halves of `read`, for a file that several tasks share, are `records` and `rows`.
"""

from data_pipeline.sources.files.records import Record, Unit
from data_pipeline.sources.find import expand
from data_pipeline.sources.read import describe, read, records, rows

__all__ = ["Record", "Unit", "describe", "expand", "read", "records", "rows"]
