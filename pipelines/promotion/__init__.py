"""The promotion gate: which registered ranker is the champion, and why."""
