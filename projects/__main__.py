"""``python -m projects``, the former name of ``python -m shashlik``.

Recorded commands and users' scripts may still use it; it behaves like ``python -m shashlik``.
"""

from __future__ import annotations

import sys

from shashlik.__main__ import main

__all__ = ["main"]

if __name__ == "__main__":
    print("shashlik: 'python -m projects' is now 'python -m shashlik'", file=sys.stderr)
    main(prog_name="shashlik")
