"""Give freed memory back to the system between the steps of a job that runs in one process.

What a step freed stays with the allocators, in case that more is asked for. The steps of the main
job hold some gigabytes each, in pieces of different sizes, so that the next one finds little of
use in it and asks for more: without this the process grows from step to step.
"""

from __future__ import annotations

import gc

import pyarrow as pa

from pipelines.config.malloc import return_free_pages

__all__ = ["release_memory"]


def release_memory() -> None:
    """Collect what is unreachable, and return free pages; costs some hundredths of a second."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    return_free_pages()
