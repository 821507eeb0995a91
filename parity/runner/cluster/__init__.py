"""Pairs go to a Dask cluster and come back in the order of the tasks; Dask schedules, and nothing here does.

Dask itself unpickles what its cluster sends: an address is to be trusted like a program that one starts.
"""
