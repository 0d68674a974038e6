"""What is asked of whom: the criteria, the samples drawn, and who sees which answer where."""
