"""Tokens in forms: a change is made only from a page that this server gave to the same caller."""

import hashlib
import hmac
import secrets

__all__ = ["FormTokens"]


class FormTokens:
    """Makes and checks the token of each caller; after a restart pages have to be loaded again."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def of(self, caller: str) -> str:
        """Return the token that the caller's forms carry."""
        return hmac.new(self._secret, caller.encode(), hashlib.sha256).hexdigest()

    def fits(self, caller: str, token: str) -> bool:
        """Whether a form came from a page of this caller."""
        return hmac.compare_digest(self.of(caller).encode(), token.encode())
