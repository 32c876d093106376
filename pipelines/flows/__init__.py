"""Prefect flows: thin wrappers that place, retry and show the steps."""
