"""Former location of `shashlik.plugins.experiment`.

mlflow loads its plugins at every start. An environment installed before version 0.2 refers to this module
until it is installed again. Remove this module with version 0.3.
"""

from __future__ import annotations

from shashlik.plugins.experiment import EntryPointExperiment

__all__ = ["EntryPointExperiment"]
