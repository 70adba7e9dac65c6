"""mlflow's plugins of the server: the app, and the model registry behind the gate.

mlflow imports this module at every start, also for work unrelated to Shashlik. It therefore imports nothing
until one of the plugins is called.
"""

from __future__ import annotations

from typing import Any

__all__ = ["create_app", "gated_store"]


def create_app() -> Any:
    """Create the app of ``mlflow server --app-name shashlik``, see `registry.server.application`."""
    from registry.server.application import create_app

    return create_app()


def gated_store(store_uri: str) -> Any:
    """Open the registry store of an address ``shashlik:...``, see `registry.server.gated_store`."""
    from registry.server.gated_store import GatedStore
    from registry.server.passage import SCHEME, shut

    return GatedStore(store_uri.removeprefix(SCHEME), shut=shut)
