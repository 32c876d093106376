"""Charts of data and models: drawn once, shown in the report and logged to MLflow."""
