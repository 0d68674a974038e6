"""Which packs a step has, who gets them, what their tokens weigh."""
