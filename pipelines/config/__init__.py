"""Settings, the home and its paths, the console, and the check of free disk space."""
