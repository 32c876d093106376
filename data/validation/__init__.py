"""The rules that a row must meet: accepted, nulled, or quarantined with its reason."""
