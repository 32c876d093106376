"""Linear models on standardised inputs, and the blend of a linear with a tree ranker."""
