"""`hunmin show`, `trace` and `diff`: back from packs to sources."""
