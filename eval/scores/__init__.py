"""What an answer is worth: metrics, intervals, goals, tables."""
