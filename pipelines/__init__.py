"""The edges of the program: commands, flows, steps.

Importing them sets how idle threads wait, and in how many arenas threads find their memory.
"""

import os

from models.passive_threads import wait_passively
from pipelines.config.malloc import share_arenas

# As in models, since most programs import this package first, and NumPy before a model.
wait_passively(os.environ)
share_arenas(os.environ)
