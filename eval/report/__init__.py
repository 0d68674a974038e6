"""One HTML page of what the other stages left."""
