"""Models: columns in, scores out. Importing them also says how idle threads wait."""

import os

from models.passive_threads import wait_passively

# Before any module of this package can load a library that reads it.
wait_passively(os.environ)
