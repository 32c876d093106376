"""The features table: which days are stale, built on Polars or Spark, read as training rows."""
