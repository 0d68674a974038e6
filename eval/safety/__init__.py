"""What the probes of safety stand on: questions, detectors and their quality, rates, repeats of train rows.

The probes are in eval/probes (harm, bias, privacy); docs/safety.md tells what they measure and what not.
"""
