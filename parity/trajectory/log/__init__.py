"""Logs: what any program wrote down of its steps comes in, checked rows go out; the README beside this is the format.

``names`` says what an array's name means, ``arrays`` reads a file, ``reading`` makes a log of it, ``writing`` writes
one step after the other, and ``settle`` decides which hyperparameters a log is judged by.
"""
