"""The row rules: a row is accepted, has a value nulled, or is quarantined with its reason."""
