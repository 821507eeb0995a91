"""Blocks of a trajectory come in, a comparison goes out: what differs, how much of its bound, where first, and why."""
