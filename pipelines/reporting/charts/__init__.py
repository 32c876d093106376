"""Pictures of data and models: drawn once, shown in the report and kept in MLflow."""
