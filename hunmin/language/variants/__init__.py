"""A request asked otherwise: reworded by rule, edited a little, with a slip of the hand."""
