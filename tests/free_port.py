"""A port of this machine that nobody listens on."""

import socket


def free_port() -> int:
    """Find one; it is free until somebody takes it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
