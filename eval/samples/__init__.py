"""What is asked: held-out rows as samples, and again in held-out wordings."""
