"""Probabilities of click, contact and booking, stage by stage."""
