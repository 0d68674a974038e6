"""English requests: verbs, other forms."""
