"""What the trainer does on this machine, in figures: exactness, speed, memory, every switch.

Read measuring.py first. Needs neither Ray nor what Ray needs. Not yet run on a GPU.
"""
