"""Benchmarks: each part against its reference, timed in the same run. ``make bench`` runs them all."""
