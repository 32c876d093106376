"""The steps of the main job as plain functions: named tables in, named tables out."""
