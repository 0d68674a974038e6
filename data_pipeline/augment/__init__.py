"""What is drawn for a row in an epoch, and how many rows of each source an epoch holds."""
