"""The old place of the store in `shashlik.plugins.server`.

mlflow loads its plugins at every start, and an environment that was installed before version 0.2 names this
module until it is installed again. It can go with version 0.3.
"""

from __future__ import annotations

from shashlik.plugins.server import gated_store

__all__ = ["gated_store"]
