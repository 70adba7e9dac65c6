"""mlflow's server with ours on it: an app that ``mlflow server --app-name shashlik`` starts.

Our routes stand before mlflow's, behind the same checks of host and origin and the same login. Their OpenAPI
(``/api/shashlik/v1/openapi.json``) has ours alone. Nothing heavy is loaded before the app is made, for
mlflow looks into this module from a process of its own.
"""

from __future__ import annotations

import os
from typing import Any

__all__ = ["create_app"]


def create_app() -> Any:
    """The app, for one worker; the store is the one that ``mlflow server`` was given."""
    import mlflow
    from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR, REGISTRY_STORE_URI_ENV_VAR

    from registry.server.access import AUTH
    from registry.server.gate import SCHEME
    from registry.server.metrics import Counted
    from registry.server.routes import include

    address = os.environ[BACKEND_STORE_URI_ENV_VAR]
    gated = f"{SCHEME}{address}"
    # Before anything of mlflow asks for its registry: from now on every change goes through the gate.
    os.environ[REGISTRY_STORE_URI_ENV_VAR] = gated
    mlflow.set_tracking_uri(address)
    mlflow.set_registry_uri(gated)
    if os.environ.get(AUTH):
        from mlflow.server.auth import create_app as with_logins

        app = with_logins()
    else:
        from mlflow.server.fastapi_app import app
    include(app)
    app.add_middleware(Counted)
    return app
