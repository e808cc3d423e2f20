"""Forms of our own pages, which carry the token of the reader they were shown to."""

from urllib.parse import parse_qs

from fastapi import Request
from fastapi.responses import Response

from crimepatterns.serving.failures import UnreadableRequestError
from crimepatterns.serving.security.callers import caller_of
from crimepatterns.serving.security.tokens import FormTokens

__all__ = ["Form", "from_older_page", "read_form"]

_MOST_FIELDS = 100


class Form:
    """What was filled in.

    Parameters
    ----------
    fields : dict of str to list of str
    """

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def one(self, name: str) -> str:
        """Return the first value of a field; empty where there is none."""
        return self.all(name)[0] if name in self._fields else ""

    def all(self, name: str) -> list[str]:
        """Return every value of a field."""
        return self._fields.get(name, [])

    def is_of(self, request: Request, tokens: FormTokens) -> bool:
        """Whether it stood on a page that this server gave to the same caller."""
        return tokens.fits(caller_of(request).name, self.one("token"))


async def read_form(request: Request) -> Form:
    """Read a form from the body of a request.

    Raises
    ------
    UnreadableRequestError
        If it has more than 100 fields.
    """
    sent = (await request.body()).decode("utf-8", "replace")
    try:
        return Form(parse_qs(sent, max_num_fields=_MOST_FIELDS))
    except ValueError as error:
        raise UnreadableRequestError(f"A form has at most {_MOST_FIELDS} fields.") from error


def from_older_page() -> Response:
    """Return the answer to a form whose token does not fit."""
    return Response("This form is from an older page: load the page again.", 403, media_type="text/plain")
