"""Candidates, scores, order and reasons: the recommendations table."""
