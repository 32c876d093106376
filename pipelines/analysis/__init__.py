"""Calculations for analysts: what the notebooks show, as plain functions on frames."""
