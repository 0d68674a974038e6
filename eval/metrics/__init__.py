"""The seam of metrics. A module here is a metric and holds a `METRIC`, an instance of `Metric`.

A task file names the metrics of its task by their modules' names; those of overlapping texts and of labels
are in eval/scores/overlap.py and eval/scores/labelled.py, several to a file.
"""
