"""What all stages stand on: stage folders, schemas, rows, errors, language, safety, models."""
