"""The pages of the web application, in the order in which they are read, and those that a caller may open."""

from dataclasses import dataclass

from crimepatterns.serving.security.roles import AccessTable, Role

__all__ = ["PAGES", "Link", "menu"]

PAGES = (
    ("/", "This morning"),
    ("/explore", "Explore"),
    ("/patterns", "Patterns"),
    ("/forecast", "Forecast"),
    ("/compare", "Compare"),
    ("/neighbourhoods", "Neighbourhoods"),
    ("/data", "Data"),
    ("/monitoring", "Monitoring"),
    ("/upload", "Upload"),
    ("/status", "Status"),
)
"""Address and name of each page of the menu."""


@dataclass(frozen=True)
class Link:
    """One line of the menu.

    Parameters
    ----------
    path, label : str
    current : bool
        Whether it leads to the page that is open, or to the part of the application that this page belongs to.
    """

    path: str
    label: str
    current: bool


def menu(access: AccessTable, role: Role, path: str) -> list[Link]:
    """Return the links that somebody of this role sees on the page at `path`.

    A page without a line in the access table does not exist and is left out, like one that needs a higher role.

    Parameters
    ----------
    access : AccessTable
    role : Role
        Of the caller.
    path : str
        Address of the open page, without its query.
    """
    return [
        Link(page, label, current=_within(path, page))
        for page, label in PAGES
        if page in access.roles and access.roles[page] <= role
    ]


def _within(path: str, page: str) -> bool:
    if page == "/":
        return path == "/"
    return path == page or path.startswith((f"{page}/", f"{page.removesuffix('s')}/"))
