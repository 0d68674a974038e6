"""`hunmin doctor`: what a machine has, with the standard library alone."""
