"""Views that analysts keep by name: an address of a page and what they call it, in one small file."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crimepatterns.errors import ArtefactError, CrimePatternsError
from crimepatterns.store.atomic import read_json, write_json
from crimepatterns.store.exclusive import exclusive

__all__ = ["PAGES", "SavedView", "SavedViewError", "change_views", "new_view", "read_views"]

PAGES = ("explore", "forecast")
"""Pages whose address holds what is looked at."""

_MOST = 200
_LONGEST_NAME = 80
_LONGEST_QUERY = 20_000


class SavedViewError(CrimePatternsError):
    """A view cannot be kept as it was given."""


@dataclass(frozen=True)
class SavedView:
    """An address with a name.

    Parameters
    ----------
    view_id : str
    name : str
        At most 80 characters.
    page : str
        One of `PAGES`.
    query : str
        What follows the question mark.
    by : str
        Who kept it: a key's id, never a person's name.
    at : str
        ISO 8601, UTC.

    Raises
    ------
    SavedViewError
        If a part is empty, too long, or not of its kind.
    """

    view_id: str
    name: str
    page: str
    query: str
    by: str
    at: str

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > _LONGEST_NAME or not self.name.isprintable():
            raise SavedViewError(f"A view needs a name of 1 to {_LONGEST_NAME} characters on one line.")
        if self.page not in PAGES:
            raise SavedViewError(f"A view is of one of the pages {', '.join(PAGES)}; got {self.page[:40]!r}.")
        if len(self.query) > _LONGEST_QUERY or not self.query.isprintable():
            raise SavedViewError(f"The address of a view has at most {_LONGEST_QUERY:,} characters on one line.")


def new_view(*, name: str, page: str, query: str, by: str) -> SavedView:
    """Make a view with an id of its own."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return SavedView(uuid.uuid4().hex[:12], name.strip(), page, query.removeprefix("?"), by, at)


def read_views(path: Path) -> list[SavedView]:
    """Read the views, in order of name; none where nothing was kept.

    Raises
    ------
    ArtefactError
        If the file is damaged.
    """
    if not path.exists():
        return []
    stored: Any = read_json(path)
    try:
        views = [SavedView(**one) for one in stored["views"]]
    except (TypeError, KeyError, CrimePatternsError, AttributeError) as error:
        raise ArtefactError(f"{path} holds something that is no view ({error}): mend it or move it away.") from error
    return sorted(views, key=lambda one: (one.name.casefold(), one.view_id))


def change_views(path: Path, change: Callable[[list[SavedView]], Sequence[SavedView]]) -> None:
    """Replace the views by what `change` makes of them; one process at a time.

    Raises
    ------
    SavedViewError
        If there are too many, or two of a page have one name.
    ArtefactError, OSError
        If the file cannot be read or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(path.with_suffix(".lock")):
        views = change(read_views(path))
        if len(views) > _MOST:
            raise SavedViewError(f"There are {_MOST} saved views, the most that are kept: delete some first.")
        names = [(one.page, one.name.casefold()) for one in views]
        if len(set(names)) < len(names):
            raise SavedViewError("There is a view of that name already: choose another name.")
        write_json(path, {"views": [asdict(one) for one in views]})
