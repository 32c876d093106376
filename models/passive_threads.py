"""Threads that wait for each other sleep instead of spinning.

OpenMP splits a loop over threads that meet again at its end, and who comes first spins: GNU's
runtime turns 300,000 times, some milliseconds, before it sleeps, and OpenBLAS for as long. On free
cores that saves the time to wake up. On a busy machine the thread that is waited for has no core,
since the spinning one uses up the time that the scheduler gives to both.

Each of these libraries reads the environment once, when it is loaded, and a process here loads
several: torch and scikit-learn bring an OpenMP runtime each, LightGBM and implicit take the
system's, NumPy and SciPy an OpenBLAS each. So importing ``models`` or ``pipelines`` calls
:func:`wait_passively`, before a module of theirs can load one: on the command line, in a Prefect
or Dask worker, in a notebook, under ``torchrun``, in a benchmark.
"""

from __future__ import annotations

from collections.abc import MutableMapping

__all__ = ["BLAS_VARIABLE", "WAIT_VARIABLES", "wait_passively"]

# By each of these a person says how OpenMP's threads wait: the standard's, GNU's, LLVM's, Intel's.
WAIT_VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")
# Of OpenBLAS: 2**4 ticks of the processor, the fewest it accepts, instead of 2**26.
BLAS_VARIABLE, SHORTEST = "OPENBLAS_THREAD_TIMEOUT", "4"


def wait_passively(environment: MutableMapping[str, str]) -> None:
    """Set that threads sleep while they wait, where the environment does not say how they wait.

    The runtimes of GNU, LLVM and Intel all read ``OMP_WAIT_POLICY``.

    >>> environment = {"HOME": "/home/ana"}
    >>> wait_passively(environment)
    >>> environment["OMP_WAIT_POLICY"], environment["OPENBLAS_THREAD_TIMEOUT"]
    ('PASSIVE', '4')

    What a person has set stays as it is:

    >>> environment = {"GOMP_SPINCOUNT": "300000", "OPENBLAS_THREAD_TIMEOUT": "26"}
    >>> wait_passively(environment)
    >>> environment
    {'GOMP_SPINCOUNT': '300000', 'OPENBLAS_THREAD_TIMEOUT': '26'}
    """
    if not any(name in environment for name in WAIT_VARIABLES):
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
    environment.setdefault(BLAS_VARIABLE, SHORTEST)
