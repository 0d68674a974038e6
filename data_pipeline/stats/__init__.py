"""data/stats.json: counted part by part where the texts are, and in DuckDB."""
