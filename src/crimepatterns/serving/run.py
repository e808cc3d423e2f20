"""Start the web server or the model server of one city."""

import logging
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from uvicorn.config import LOGGING_CONFIG

from crimepatterns.config import Settings
from crimepatterns.errors import ConfigError
from crimepatterns.serving.memory import keep_small
from crimepatterns.serving.request_log import log_as_json
from crimepatterns.serving.security.opening import check_binding

__all__ = ["serve", "serve_models"]


def serve(settings: Settings, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve the page until interrupted.

    Parameters
    ----------
    settings : Settings
        ``serving.host`` and ``serving.port`` say where.
    ready : callable, optional
        Told the address once the server can have it.

    Raises
    ------
    ConfigError
        If the address is taken, not one of this machine, or one that others reach while no access is set up.
    """
    from crimepatterns.serving.explore.search import find_places
    from crimepatterns.serving.web import create_app

    host, port = settings.serving.host, settings.serving.port
    check_binding(settings)
    _check_free(host, port)
    keep_small()
    if settings.serving.request_log:
        log_as_json(requests=True)
    app = create_app(settings)
    desk = app.state.desk
    desk.warm(lambda record: find_places(desk, record.exact, "any place"))
    _run(app, host, port, ready=ready)


def serve_models(settings: Settings, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve forecasts and learners to programs until interrupted; requests are logged as lines of JSON.

    Parameters
    ----------
    settings : Settings
        ``serving.host`` and ``serving.model_port`` say where.
    ready : callable, optional
        Told the address once the server can have it.

    Raises
    ------
    ConfigError
        As from `serve`.
    """
    from crimepatterns.serving.model_server.application import create_model_app

    host, port = settings.serving.host, settings.serving.model_port
    check_binding(settings)
    _check_free(host, port, setting="model_port")
    keep_small()
    log_as_json(requests=True)
    _run(create_model_app(settings), host, port, ready=ready)


def _run(app: FastAPI, host: str, port: int, *, ready: Callable[[str], None] | None) -> None:
    if ready is not None:
        ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        log_config=None if logging.getLogger().handlers else LOGGING_CONFIG,
        access_log=False,
        proxy_headers=False,  # security.proxy says whom to believe
        server_header=False,
        date_header=True,
        timeout_keep_alive=65,  # longer than clients keep an idle connection: none is closed under a request
        timeout_graceful_shutdown=20,  # requests that have begun are answered
    )


def _check_free(host: str, port: int, *, setting: str = "port") -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"Cannot serve on {host}:{port} ({error.strerror}): choose another with --set serving.{setting}=8080."
            ) from error
