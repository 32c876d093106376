"""Steps after the ranker that change its order: exposure of new listings, then diversity."""
