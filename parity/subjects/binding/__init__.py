"""Anybody's class or function comes in; which shape it has, what it is passed as what, and who drives it, go out."""
