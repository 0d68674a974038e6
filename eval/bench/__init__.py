"""Benchmarks that others use: lm-evaluation-harness asks both models of a run. Read `benchmark.py` first."""
