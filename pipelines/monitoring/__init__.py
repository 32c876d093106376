"""Data quality and drift: what each day of a market looks like beside the training window."""
