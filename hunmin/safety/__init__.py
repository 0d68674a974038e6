"""Harmful content, bias and personal data. judge.py is the way in; docs/safety.md tells the rest.

A detector finds; `judge` says what that means for a row; `apply_safety` does what the config wants done.
"""
