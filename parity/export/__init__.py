"""The conformance set: test vectors with derived bounds, for optimizers that are not written in Python.

``expected`` runs the reference with its bounds, ``vector`` is what a vector's JSON holds, ``consume`` judges an
optimizer by a vector's files alone, ``proof`` shows which mistakes a vector catches, ``folder`` puts it all together.
"""
