"""Signatures come in; the shapes that they may mean, the likeliest first, go out."""
