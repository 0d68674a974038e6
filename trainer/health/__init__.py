"""What goes wrong in a training, and what is done about it; and how fast it goes."""
