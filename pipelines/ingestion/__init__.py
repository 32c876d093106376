"""Logs into the lake: simulated, or given as files."""
