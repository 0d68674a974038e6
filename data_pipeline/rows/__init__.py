"""One draft row: normalized, checked, identified, split."""
