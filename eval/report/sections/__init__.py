"""The sections of the page, each from its numbers to what the template shows."""
