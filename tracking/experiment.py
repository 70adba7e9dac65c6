"""The old place of `shashlik.plugins.experiment`.

mlflow loads its plugins at every start, and an environment that was installed before version 0.2 names this
module until it is installed again. It can go with version 0.3.
"""

from __future__ import annotations

from shashlik.plugins.experiment import EntryPointExperiment

__all__ = ["EntryPointExperiment"]
