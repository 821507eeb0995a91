"""Textbook NumPy: what each part of a training step computes, written to be checked by eye."""
