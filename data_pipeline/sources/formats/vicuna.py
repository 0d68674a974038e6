"""Vicuna: the name under which some corpora in the shape of ShareGPT are known."""

from data_pipeline.sources.formats.sharegpt import FORMAT

__all__ = ["FORMAT"]
