"""What a feature is: one record, meaning and expression; and how records are evaluated."""
