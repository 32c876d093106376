"""The Delta tables of a home: reading, writing, locking, checksums and retention."""
