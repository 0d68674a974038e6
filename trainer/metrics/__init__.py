"""What a training tells: metrics.jsonl, trackers, sample answers."""
