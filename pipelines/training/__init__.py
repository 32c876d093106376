"""The models of a run: made from the settings, tuned, fitted and recorded."""
