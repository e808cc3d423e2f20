"""Uploads that are too large are refused before they fill the memory."""

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

__all__ = ["limited"]

_LARGE = 16 << 20
"""What is allowed to be so long is a file."""


def limited(scope: Scope, receive: Receive, most: int) -> Receive:
    """Return a `receive` that stops with status 413 once a body grows beyond `most` bytes.

    Raises
    ------
    HTTPException
        At once where the request itself says that its body is longer.
    """
    stated = dict(scope["headers"]).get(b"content-length", b"0")
    if not stated.isdigit() or int(stated) > most:
        raise HTTPException(413, _told(most))
    taken = 0

    async def receive_some() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > most:
                raise HTTPException(413, _told(most))
        return message

    return receive_some


def _told(most: int) -> str:
    if most >= _LARGE:
        return f"The file must not be larger than {most >> 20} MB (uploads.max_mb)."
    return f"The body must not be longer than {most // 1024} kB (security.max_body_kb)."
