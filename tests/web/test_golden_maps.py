"""Golden canvases: the drawn map of each key layer looks as it did, compared in coarse squares of colour.

Machines draw letters and edges a little differently: pictures are compared as 32 x 24 squares. Look at them after
``CRIMEPATTERNS_GOLDEN=write pytest tests/web/test_golden_maps.py`` has drawn them anew, before they are kept.
"""

import base64
import io
import os
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page

pytestmark = pytest.mark.chromium

GOLDEN = Path(__file__).parent / "golden"
SQUARES = (32, 24)
MEAN, WORST = 4.0, 45.0
EXPLORE, FORECAST = "html[data-ready=yes] #explore[data-state=idle]", "html[data-ready=yes] #map[data-state=idle]"
VIEW = "view=40.88,-92.93,11.6"
LAYERS = {
    "places": (f"/explore?layer=places&{VIEW}", EXPLORE),
    "grid": (f"/explore?layer=grid&{VIEW}", EXPLORE),
    "neighbourhoods": (f"/explore?layer=areas&{VIEW}", EXPLORE),
    "streets": (f"/explore?layer=streets&{VIEW}", EXPLORE),
    "hot_spots": (f"/forecast?category=theft&surface=gi_star&show=&{VIEW}", FORECAST),
}


def drawn(opened: Callable[..., Page], layer: str) -> NDArray[np.float64]:
    address, ready = LAYERS[layer]
    page = opened(address, ready=ready, viewport={"width": 1280, "height": 900}, color_scheme="light")
    text = page.locator("canvas.maplibregl-canvas").evaluate("one => one.toDataURL('image/png')")
    picture = Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2]))).convert("RGB")
    small = picture.resize(SQUARES, Image.Resampling.BOX)
    if os.environ.get("CRIMEPATTERNS_GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        small.save(GOLDEN / f"{layer}.png", optimize=True)
    return np.asarray(small, dtype=float)


def kept(layer: str) -> NDArray[np.float64]:
    return np.asarray(Image.open(GOLDEN / f"{layer}.png").convert("RGB"), dtype=float)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_looks_as_it_did(opened: Callable[..., Page], server: str, layer: str) -> None:
    if layer == "streets":  # the first to ask for them waits until they are cut
        assert httpx.get(f"{server}/api/explore/streets/counts", trust_env=False, timeout=180).status_code == 200
    apart = np.abs(drawn(opened, layer) - kept(layer)).mean(axis=2)
    assert apart.mean() < MEAN, f"{layer}: squares differ by {apart.mean():.1f} of 255 on average"
    assert apart.max() < WORST, f"{layer}: a square differs by {apart.max():.1f} of 255"


def test_layers_are_told_apart() -> None:
    """The bound is worth something: no layer passes for another."""
    pictures = {layer: kept(layer) for layer in LAYERS}
    for one in LAYERS:
        for other in LAYERS:
            if one < other:
                apart = np.abs(pictures[one] - pictures[other]).mean(axis=2)
                assert apart.mean() >= MEAN or apart.max() >= WORST, f"{one} would pass for {other}"
