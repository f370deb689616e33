"""A limit on memory that is too low is told at once.

Below it the libraries of linear algebra wait for memory for ever, end the process, or fail to load
with a traceback of their own.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

LEAST_MIB = 1280
"""Address space that every command gets by with, compiling and figures included."""
EXIT_CODE = 4


def require() -> None:
    """End the process in one line if a limit leaves too little; call this before numpy loads."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {"ulimit -v": resource.RLIMIT_AS, "ulimit -d": resource.RLIMIT_DATA}
    for name, number in limits.items():
        limit, _ = resource.getrlimit(number)
        if limit == resource.RLIM_INFINITY:
            continue
        if limit < LEAST_MIB * 2**20:
            _refuse(f"memory is limited to {limit // 2**20} MiB ({name})")
        # Each thread reserves 70 MiB, on machines of many cores more than there may be.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _refuse(reason: str) -> NoReturn:
    sys.stderr.write(f"dmoe-opt: {reason}; allowed: at least {LEAST_MIB} MiB\n")
    sys.exit(EXIT_CODE)
