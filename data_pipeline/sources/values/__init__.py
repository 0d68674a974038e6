"""From the values of a record to a draft row: columns, labels, conversations, pairs, templates."""
