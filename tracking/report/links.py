"""Addresses of pages of the tracking server: of those on which runs are compared, and of a run in its UI."""

from __future__ import annotations

from urllib.parse import quote, urlencode

__all__ = ["PAGES", "address", "run_page"]

#: Where these pages are, below the address of the server.
PAGES = "/shashlik"


def address(*parts: object, **query: object) -> str:
    """Address on the server of one of these pages, ``address("compare", task, item=["v1", "v2"])``.

    Values that are empty are left out of the query.
    """
    path = "/".join([PAGES, *(quote(str(part), safe="") for part in parts)])
    given = {name: value for name, value in query.items() if value not in (None, "", [], ())}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def run_page(experiment_id: str, run_id: str) -> str:
    """Address on the server of a run in the UI of mlflow, in the view for model training.

    The UI of mlflow 3.17 shows the view that the address asks for, else that for language models.
    """
    return f"/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"
