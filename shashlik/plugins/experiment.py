"""``mlflow run . -e ecal_stage4`` records its run in the experiment ``ecal_stage4``.

So does ``mlflow run . -e promote -P task=ecal_stage4``, a command about that task. Left alone, ``mlflow run``
puts every run into the experiment "Default", where no program can take it out again. mlflow asks plugins for
a better default, and this is ours (entry point group
``mlflow.default_experiment_provider``). ``--experiment-name`` and ``MLFLOW_EXPERIMENT_NAME`` still win.
"""

from __future__ import annotations

from pathlib import Path

import click
import yaml
from mlflow.tracking.default_experiment.abstract_context import DefaultExperimentProvider

__all__ = ["EntryPointExperiment"]


class EntryPointExperiment(DefaultExperimentProvider):
    """The experiment named as the entry point, for projects that are this one."""

    def in_context(self) -> bool:
        """Whether this process is ``mlflow run`` on a folder with our ``MLproject``."""
        context = click.get_current_context(silent=True)
        if context is None or context.info_name != "run" or "entry_point" not in context.params:
            return False
        project = Path(context.params["uri"]) / "MLproject"
        if not project.is_file():
            return False
        stated = yaml.safe_load(project.read_text())
        return stated.get("name") == "shashlik" and context.params["entry_point"] in stated["entry_points"]

    def get_experiment_id(self) -> str:
        """Id of that experiment; it is made when there is none yet."""
        from mlflow.tracking import MlflowClient

        client = MlflowClient()
        params = click.get_current_context().params
        given = dict(text.split("=", 1) for text in params.get("param_list") or () if "=" in text)
        # Commands of the registry say which task they are about.
        name = given.get("task") or params["entry_point"]
        found = client.get_experiment_by_name(name)
        return found.experiment_id if found is not None else client.create_experiment(name)
