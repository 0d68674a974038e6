"""A model as judge: base against tuned, pair by pair, in both orders. judging.py is the way in."""
