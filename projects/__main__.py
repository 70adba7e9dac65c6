"""``python -m projects``, as it was called before the platform became a package of its own.

Recorded commands and scripts of users may still say it; it does what ``python -m shashlik`` does.
"""

from __future__ import annotations

import sys

from shashlik.__main__ import main

__all__ = ["main"]

if __name__ == "__main__":
    print("shashlik: 'python -m projects' is now 'python -m shashlik'", file=sys.stderr)
    main(prog_name="shashlik")
