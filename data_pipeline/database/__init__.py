"""What needs all rows, in DuckDB: duplicates, leaks, the mix, places in packs, tables."""
