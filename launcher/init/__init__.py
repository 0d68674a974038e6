"""`hunmin init`: a config from the user's own files."""
