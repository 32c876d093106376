"""What a feature is: one record with its meaning and its expression; and how records are evaluated."""
