"""From a kept row to a pack: encode (draw, tokens, mask), best_fit (which pack), gather (a shard)."""
