"""The methods that the benchmark compares, each one folder with a ``run.py``; what they share is in ``common``.

They import the benchmark, which imports none of them.
"""
