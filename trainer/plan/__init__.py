"""What a training would take: memory, FLOPs, steps, disk."""
