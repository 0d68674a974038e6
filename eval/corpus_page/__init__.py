"""The corpus page: what became of the corpus, to be looked at when the data stage is done."""
