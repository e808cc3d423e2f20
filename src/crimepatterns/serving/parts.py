"""A page in parts: what cannot be made is left out, and the page says why."""

from collections.abc import Callable
from typing import Any

from crimepatterns.errors import CrimePatternsError, MissingInputError

__all__ = ["Parts"]


class Parts:
    """Makes the parts of one page; one that cannot be made is None, with its reason in `absent`.

    Parameters
    ----------
    advice : callable, optional
        From the name of a part and what is missing to what the reader is told; the error's own words otherwise.
    """

    def __init__(self, advice: Callable[[str, MissingInputError], str] = lambda _, error: str(error)) -> None:
        self._advice = advice
        self.absent: dict[str, str] = {}

    def __call__(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what `make` returns."""
        try:
            return make()
        except MissingInputError as error:
            self.absent[name] = self._advice(name, error)
        except CrimePatternsError as error:
            self.absent[name] = f"This part cannot be shown: {' '.join(str(error).split())}"
        return None
