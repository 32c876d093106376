"""Files of a search log in, chunks of rows as text out: CSV, gzipped CSV and Parquet."""
