"""Uploads that are too large are refused before they fill the memory."""

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

__all__ = ["BodyLimit", "limited"]


@dataclass(frozen=True)
class BodyLimit:
    """How long a body may be.

    Parameters
    ----------
    most : int
        Bytes.
    told : str
        What is said of a longer one.
    """

    most: int
    told: str

    @classmethod
    def of_requests(cls, kilobytes: int) -> "BodyLimit":
        """Return the limit of ``security.max_body_kb``."""
        told = f"The body must not be longer than {kilobytes} kB (security.max_body_kb)."
        return cls(kilobytes * 1024, told)

    @classmethod
    def of_files(cls, megabytes: int) -> "BodyLimit":
        """Return the limit of ``uploads.max_mb``."""
        return cls(megabytes << 20, f"The file must not be larger than {megabytes} MB (uploads.max_mb).")


def limited(scope: Scope, receive: Receive, limit: BodyLimit) -> Receive:
    """Return a `receive` that stops with status 413 once a body grows beyond the limit.

    Raises
    ------
    HTTPException
        At once where the request itself says that its body is longer.
    """
    stated = dict(scope["headers"]).get(b"content-length", b"0")
    if not stated.isdigit() or int(stated) > limit.most:
        raise HTTPException(413, limit.told)
    taken = 0

    async def receive_some() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > limit.most:
                raise HTTPException(413, limit.told)
        return message

    return receive_some
