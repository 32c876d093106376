"""The environment of all tests, set before a library that reads it is imported."""

from __future__ import annotations

import os

from models.passive_threads import wait_passively

# As every program here does: of two test processes that share two cores the threads of one would
# spin while those of the other have no core.
wait_passively(os.environ)
