"""The leaderboard: submissions become rows, rows become tables and a static site.

It imports scoring, splits and what they stand on; only the command line and the scripts in ``docs/`` import it.
"""
