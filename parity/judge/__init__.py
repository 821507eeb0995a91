"""Blocks of a trajectory come in, a comparison goes out: what differs, where first, why; and the table of every step."""
