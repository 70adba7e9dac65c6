"""Record the run of ``mlflow run . -e ecal_stage4`` in the experiment ``ecal_stage4``.

The same holds for ``mlflow run . -e promote -P task=ecal_stage4``, a command about that task. By default,
``mlflow run`` puts every run into the experiment "Default", where no program can move it out again. mlflow
asks plugins of the entry-point group ``mlflow.default_experiment_provider`` for a better default, and this is
one. ``--experiment-name`` and ``MLFLOW_EXPERIMENT_NAME`` still take precedence.
"""

from __future__ import annotations

from pathlib import Path

import click
import yaml
from mlflow.tracking.default_experiment.abstract_context import DefaultExperimentProvider

__all__ = ["EntryPointExperiment"]


class EntryPointExperiment(DefaultExperimentProvider):
    """Experiment named after the entry point, for projects with our ``MLproject``."""

    def in_context(self) -> bool:
        """Check that this process is ``mlflow run`` on a folder with our ``MLproject``."""
        context = click.get_current_context(silent=True)
        if context is None or context.info_name != "run" or "entry_point" not in context.params:
            return False
        project = Path(context.params["uri"]) / "MLproject"
        if not project.is_file():
            return False
        description = yaml.safe_load(project.read_text())
        return (
            description.get("name") == "shashlik"
            and context.params["entry_point"] in description["entry_points"]
        )

    def get_experiment_id(self) -> str:
        """Return the id of that experiment, and create it if it does not exist."""
        from mlflow.tracking import MlflowClient

        client = MlflowClient()
        params = click.get_current_context().params
        parameters = dict(text.split("=", 1) for text in params.get("param_list") or () if "=" in text)
        # Commands of the registry say which task they are about.
        name = parameters.get("task") or params["entry_point"]
        experiment = client.get_experiment_by_name(name)
        return experiment.experiment_id if experiment is not None else client.create_experiment(name)
