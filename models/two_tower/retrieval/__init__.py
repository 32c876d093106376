"""Candidates from a trained two-tower: exact or approximate search, seen before, priors."""
