"""mlflow's server with ours on it: an app that ``mlflow server --app-name shashlik`` starts.

Our routes stand before mlflow's, behind the same checks of host and origin and the same login. Their OpenAPI
(``/api/shashlik/v1/openapi.json``) has ours alone. mlflow reaches it by
`shashlik.plugins.server`.
"""

from __future__ import annotations

import fcntl
import os
from typing import Any

__all__ = ["create_app"]


def create_app() -> Any:
    """The app, for one worker; the store is the one that ``mlflow server`` was given."""
    import mlflow
    from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR, REGISTRY_STORE_URI_ENV_VAR

    from registry.server.access import AUTH
    from registry.server.middleware.metrics import Counted
    from registry.server.passage import SCHEME
    from registry.server.routes import include

    address = os.environ[BACKEND_STORE_URI_ENV_VAR]
    gated = f"{SCHEME}{address}"
    # Before anything of mlflow asks for its registry: from now on every change goes through the gate.
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
    # One worker after the other: the first makes the tables and the administrator.
    with open(os.environ["MLFLOW_AUTH_CONFIG_PATH"]) as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        return auth.create_app()
