"""A place where code that a model wrote runs and can touch nothing: `run_python` of sandbox.py."""
