"""Who does a step's items: this process, processes of this machine, or Ray."""
