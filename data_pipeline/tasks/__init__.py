"""Task files and their wordings: which are true of a row."""
