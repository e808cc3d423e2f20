import numpy as np
import pytest
import shapely

from crimepatterns.errors import SourceError
from crimepatterns.sources.synthetic import SyntheticCity
from crimepatterns.sources.synthetic_context import EMBEDDED_LAYERS, context_key, embedded_layer

CITY = SyntheticCity(incidents=2_000, years=2, area_km2=60, seed=5)
LAYERS = {name: embedded_layer(CITY, name) for name in EMBEDDED_LAYERS}


@pytest.mark.parametrize("name", sorted(EMBEDDED_LAYERS))
def test_the_same_city_has_the_same_layers(name: str) -> None:
    again = embedded_layer(SyntheticCity(incidents=9_000, years=2, area_km2=60, seed=5), name)
    assert again.drop(columns="geometry").equals(LAYERS[name].drop(columns="geometry"))
    assert shapely.equals(again.geometry.to_numpy(), LAYERS[name].geometry.to_numpy()).all()
    other = SyntheticCity(incidents=2_000, years=2, area_km2=60, seed=6)
    assert context_key(other, name) != context_key(CITY, name)
    assert shapely.intersects(LAYERS[name].geometry.to_numpy(), CITY.area.polygon).all()


def test_bars_gather_where_the_night_life_is() -> None:
    hot = CITY.truth.hot_places()
    lively = hot.loc[hot["kind"] == "nightlife"].geometry.to_numpy()
    apart = shapely.distance(LAYERS["bars"].geometry.to_numpy()[:, None], lively[None, :]).min(axis=1)
    addresses = CITY.places.geometry.sample(300, random_state=1).to_numpy()
    usual = shapely.distance(addresses[:, None], lively[None, :]).min(axis=1)
    assert (apart < 500).mean() > 3 * (usual < 500).mean()
    bars = LAYERS["bars"]
    granted = bars["granted"].to_numpy(dtype="datetime64[D]")
    assert (granted < np.datetime64("2024-01-01")).mean() > 0.5
    assert (granted > np.datetime64("2024-01-01")).any()
    closed = bars["surrendered"] != ""
    assert closed.any()
    assert (bars.loc[closed, "surrendered"].to_numpy(dtype="datetime64[D]") > granted[closed]).all()


def test_stops_keep_their_distance_and_homes_cover_every_neighbourhood() -> None:
    stops = LAYERS["transit_stops"].geometry.to_numpy()
    hot = CITY.truth.hot_places()
    assert (
        shapely.distance(hot.loc[hot["kind"] == "transit"].geometry.to_numpy()[:, None], stops).min(axis=1).max() < 30
    )
    assert len(stops) > 20
    homes = LAYERS["homes"]
    assert set(homes["neighbourhood"]) == set(CITY.area.neighbourhoods["name"])
    assert set(homes["counted"]) == {"2023-01-01", "2024-01-01", "2025-01-01"}
    assert LAYERS["parks"].area.min() > 0


def test_an_unknown_layer_is_named() -> None:
    with pytest.raises(SourceError, match="no layer 'schools'"):
        embedded_layer(CITY, "schools")
