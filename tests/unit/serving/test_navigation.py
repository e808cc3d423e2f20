"""The menu shows what a role may open, and marks where one is."""

import pytest

from crimepatterns.serving.navigation import PAGES, menu
from crimepatterns.serving.security.roles import WEB_ACCESS, AccessTable, Role

ALL = AccessTable(dict(zip((path for path, _ in PAGES), (Role.ANALYST,) * 5 + (Role.PLANNER,) * 5, strict=True)))


def test_only_pages_that_exist_and_may_be_opened_are_shown() -> None:
    assert [link.path for link in menu(ALL, Role.ANALYST, "/")] == [
        "/",
        "/explore",
        "/patterns",
        "/forecast",
        "/compare",
    ]
    assert len(menu(ALL, Role.PLANNER, "/")) == len(PAGES)
    assert menu(ALL, Role.PUBLIC, "/") == []
    assert [link.path for link in menu(AccessTable({"/data": Role.PUBLIC}), Role.ADMINISTRATOR, "/")] == ["/data"]
    assert {link.path for link in menu(WEB_ACCESS, Role.ADMINISTRATOR, "/")} <= set(WEB_ACCESS.roles)


@pytest.mark.parametrize(
    ("path", "current"),
    [
        ("/", ["/"]),
        ("/forecast", ["/forecast"]),
        ("/patterns/bulletin", ["/patterns"]),
        ("/neighbourhood/Kiln End", ["/neighbourhoods"]),
        ("/forecasts", []),
        ("/reports/plan", []),
    ],
)
def test_the_open_page_is_marked(path: str, current: list[str]) -> None:
    assert [link.path for link in menu(ALL, Role.ADMINISTRATOR, path) if link.current] == current
