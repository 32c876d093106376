"""Find a guest's rows in the lake's tables and their history, and remove them."""
