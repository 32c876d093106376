"""Column mappings: the TOML files, the model that checks them, and their application to rows."""
