"""What was known strictly before each search: declarations, and the sums that answer them."""
