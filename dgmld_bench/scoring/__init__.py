"""From predictions to numbers: the predictions file, errors, statistics, comparison, agreement of annotators.

It imports cases and sources (for the references); the leaderboard, the audit and the command line stand on it.
"""
