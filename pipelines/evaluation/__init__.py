"""The scorecard of a run: scores, metrics with intervals, diagnostics."""
