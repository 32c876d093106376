"""P(the stay is free): learnt from what dated searches showed, for any listing and nights."""
