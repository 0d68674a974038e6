"""What an answer is: its form, what it claims, its label, its code."""
