"""What may change a ranker's order: exposure of new listings, diversity."""
