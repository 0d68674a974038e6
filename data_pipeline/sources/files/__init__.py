"""Bytes to records: text, tables of columns, JSON, whatever packs them."""
