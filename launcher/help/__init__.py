"""The pages of --help, their Korean, and the page of config keys."""
