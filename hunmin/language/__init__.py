"""Korean and English: pure functions on strings."""
