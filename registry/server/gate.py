"""Former location of the store in `shashlik.plugins.server`.

mlflow loads its plugins at every start, and environments installed before version 0.2 name this module
until they are reinstalled. Version 0.3 can drop it.
"""

from __future__ import annotations

from shashlik.plugins.server import gated_store

__all__ = ["gated_store"]
