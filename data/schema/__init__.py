"""What the tables hold: columns, types, keys, reason codes, and what a feature declares."""
