"""What a learnt ranker must beat: heuristics, popularity and implicit ALS."""
