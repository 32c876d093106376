"""Formulas that several feature groups share: prices, distances, calendar, units."""
