"""DeepSpeed, the ranks, and one step of a rank."""
