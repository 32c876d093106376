"""Log rows as the arrays that the towers read: vocabularies, numbers, histories, eligibility."""
