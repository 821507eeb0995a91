"""Signatures come in; the texts of wrappers that may fit them, the likeliest first, go out, and each is tried."""
