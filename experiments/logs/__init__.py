"""Logs of real traffic: requests in columns, whatever the format of the file.

reading = read_logs(["access.log.1.gz", "access.log"])
for batch in reading.batches():
    ...
"""

from __future__ import annotations

from experiments.logs.batch import Batch
from experiments.logs.names import Names, path_of
from experiments.logs.reading import Progress, Reading, read_logs
from experiments.logs.window import Window, read_window

__all__ = ["Batch", "Names", "Progress", "Reading", "Window", "path_of", "read_logs", "read_window"]
