"""The model over packed sequences: weights, attention, head, adapters, embeddings."""
