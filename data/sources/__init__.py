"""Column mappings: the TOML files, their model, and the one reader that applies them."""
