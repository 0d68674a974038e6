"""The trained model as others load it, with its card and lineage."""
