"""A whole program that somebody wrote comes in, beside his Keras model: which quantity parts first, and why."""
