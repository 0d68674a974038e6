"""What makes a row unfit for training; each check is a pure function of one question and its answer."""
