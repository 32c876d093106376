"""What is recommended from: queries, catalogue, the pairs that searches allow, their rows."""
