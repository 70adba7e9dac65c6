"""The Shashlik app on mlflow's server, started by ``mlflow server --app-name shashlik``.

Our routes come before mlflow's, behind the same checks of host and origin and the same login. Their OpenAPI
(``/api/shashlik/v1/openapi.json``) lists our routes only. mlflow reaches the app through
`shashlik.plugins.server`.
"""

from __future__ import annotations

import fcntl
import os
from typing import Any

__all__ = ["create_app"]


def create_app() -> Any:
    """Create the app for one worker, on the store given to ``mlflow server``."""
    import mlflow
    from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR, REGISTRY_STORE_URI_ENV_VAR

    from registry.server.access import AUTH
    from registry.server.middleware.metrics import Counted
    from registry.server.passage import SCHEME
    from registry.server.routes import include

    address = os.environ[BACKEND_STORE_URI_ENV_VAR]
    gated = f"{SCHEME}{address}"
    # Set this before mlflow opens its registry: from now on every change goes through the gate.
    os.environ[REGISTRY_STORE_URI_ENV_VAR] = gated
    mlflow.set_tracking_uri(address)
    mlflow.set_registry_uri(gated)
    if os.environ.get(AUTH):
        app = _with_logins()
    else:
        from mlflow.server.fastapi_app import app
    include(app)
    app.add_middleware(Counted)
    return app


def _with_logins() -> Any:
    from mlflow.server import auth

    from registry.server.passwords import Logins

    auth.store = Logins()
    # One worker at a time: the first creates the tables and the administrator.
    with open(os.environ["MLFLOW_AUTH_CONFIG_PATH"]) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return auth.create_app()
