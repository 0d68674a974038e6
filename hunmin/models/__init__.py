"""Model folders, GGUF files, tokenizers, chat templates, and the renderer."""
