"""Trying to break it: hostile inputs, kills, hostile servers. ``python -m tests.robustness`` prints what held."""
