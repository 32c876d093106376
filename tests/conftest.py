"""The environment of all tests, set before a library that reads it is imported."""

from __future__ import annotations

import os

# As the command line does: idle OpenMP threads spin by default, and two test processes that share
# two cores wait for each other for minutes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
