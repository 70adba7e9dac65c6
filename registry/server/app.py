"""The old place of the app in `shashlik.plugins.server`.

An environment that was installed before version 0.2 names this module until it is installed again. It can go
with version 0.3.
"""

from __future__ import annotations

from shashlik.plugins.server import create_app

__all__ = ["create_app"]
