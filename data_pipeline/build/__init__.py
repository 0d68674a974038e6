"""What one build of data/ works with: inputs, the context of its workers, its work in progress."""
