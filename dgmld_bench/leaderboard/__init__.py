"""The leaderboard: submissions become rows, rows become tables and a static site."""
