"""Open alerts: which recent incidents belong together, and when an alert ends."""

import numpy as np
import pandas as pd

from crimepatterns.domain.area import StudyArea
from crimepatterns.patterns.near_repeat_alerts import near_repeat_alerts

END = pd.Timestamp("2024-06-01", tz="America/Chicago")
DAY = pd.Timedelta(days=1)


def test_recent_neighbours_make_one_alert_that_ends(plain_area: StudyArea, make_incidents) -> None:
    ago = np.array([30, 9, 4, 2, 3, 1])
    x = np.array([100.0, 100.0, 250.0, 400.0, 4_000.0, 3_000.0])
    incidents = make_incidents(plain_area, x, np.full(6, 100.0), times=END.tz_localize(None) - ago * DAY)
    alerts = near_repeat_alerts(incidents, end=END, distance_m=200, days=14)
    # The one of a month ago is over; the last two are far from everything; the other three form a chain.
    assert len(alerts) == 1
    one = alerts.iloc[0]
    assert (one["alert"], one["incidents"], one["distinct_places"]) == (1, 3, 3)
    assert one["first"] == END - 9 * DAY
    assert one["last"] == END - 2 * DAY
    assert one["expires"] == pd.Timestamp("2024-06-14", tz=END.tz)
    assert one["neighbourhood"] == "West End"
    assert one.geometry.bounds == (-100.0, -100.0, 600.0, 300.0)
    assert near_repeat_alerts(incidents, end=END, distance_m=100, days=14).empty


def test_links_too_old_for_one_another_part_alerts(plain_area: StudyArea, make_incidents) -> None:
    ago = np.array([6, 5, 2, 1])
    x = np.array([100.0, 110.0, 110.0, 100.0])
    incidents = make_incidents(plain_area, x, np.full(4, 100.0), times=END.tz_localize(None) - ago * DAY)
    assert near_repeat_alerts(incidents, end=END, days=7)["incidents"].tolist() == [4]
    # With two days the first pair is no longer recent.
    assert near_repeat_alerts(incidents, end=END, days=2)["incidents"].tolist() == [2]


def test_nothing_recent_is_no_alert(plain_area: StudyArea, make_incidents) -> None:
    none = near_repeat_alerts(make_incidents(plain_area, [], [], times=[]), end=END)
    assert none.empty
    assert {"alert", "expires", "geometry"} <= set(none.columns)
