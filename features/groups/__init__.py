"""The feature groups, one per file: what a data scientist edits."""
