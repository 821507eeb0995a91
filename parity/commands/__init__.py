"""One module a command; each imports what it needs only when it runs, and its name stands in ``cli.py``."""
