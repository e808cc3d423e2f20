"""Progress where there is no terminal: one line per task, and twice a minute how long work goes."""

import pytest

from crimepatterns import console


def test_long_work_says_how_it_goes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 5.0, 31.0, 40.0, 62.0])
    monkeypatch.setattr(console, "monotonic", lambda: next(moments))
    with console.reporting(quiet=False) as report:
        report("Pulling x", 0, None)
        for i, rows in enumerate((10, 20, 30, 40)):
            report(f"Pulling x · {rows} of 99 rows", rows, 99 + i)
    assert capsys.readouterr().err.splitlines() == [
        "Pulling x ...",
        "Pulling x · 20 of 99 rows ...",
        "Pulling x · 40 of 99 rows ...",
    ]


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with console.reporting(quiet=True) as report:
        report("Pulling x", 0, None)
    assert capsys.readouterr() == ("", "")
