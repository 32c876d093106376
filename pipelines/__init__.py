"""The edges of the program: commands, flows, steps. Importing them sets how idle threads wait."""

import os

from models.passive_threads import wait_passively

# As in models, since most programs import this package first, and NumPy before a model.
wait_passively(os.environ)
