"""Blocks of a trajectory come in, a comparison goes out: what differs, where first and why, and the table of steps."""
