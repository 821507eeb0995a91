"""Parity inside a test suite: ``assert_parity`` for an optimizer of one's own, and the pytest plugin around it."""
