"""Rows into the arrays that the towers read: vocabularies, numbers, histories, eligibility."""
