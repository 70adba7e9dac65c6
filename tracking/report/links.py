"""Addresses on the tracking server: pages that compare runs, and a run in the UI."""

from __future__ import annotations

from urllib.parse import quote, urlencode

__all__ = ["PAGES", "address", "run_page"]

#: Path of these pages below the address of the server.
PAGES = "/shashlik"


def address(*parts: object, **query: object) -> str:
    """Build the address of a page on the server, ``address("compare", task, item=["v1", "v2"])``.

    Empty values are omitted from the query.
    """
    path = "/".join([PAGES, *(quote(str(part), safe="") for part in parts)])
    parameters = {name: value for name, value in query.items() if value not in (None, "", [], ())}
    return f"{path}?{urlencode(parameters, doseq=True)}" if parameters else path


def run_page(experiment_id: str, run_id: str) -> str:
    """Build the address of a run in the UI of mlflow, in the view for model training.

    The UI of mlflow 3.17 shows the view named in the address, by default the one for language models.
    """
    return f"/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"
