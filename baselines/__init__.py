"""The methods that the benchmark compares, each one folder with a ``run.py``."""
