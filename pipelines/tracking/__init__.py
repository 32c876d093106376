"""MLflow: runs, registered models, and what waits while its server is away."""
