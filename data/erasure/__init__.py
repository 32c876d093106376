"""A guest's rows found and removed from the lake's tables and from raw logs."""
