"""Former location of the app in `shashlik.plugins.server`.

Environments installed before version 0.2 name this module until they are reinstalled. Version 0.3 can drop
it.
"""

from __future__ import annotations

from shashlik.plugins.server import create_app

__all__ = ["create_app"]
