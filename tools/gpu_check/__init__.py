"""`make gpu`: one table of what comes out right on this machine's GPUs."""
