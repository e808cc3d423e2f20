"""Lengths of a reference system in metres and feet, so that areas of any map can be reckoned in its own plane."""

import pyproj

from crimepatterns.errors import StudyAreaError

__all__ = ["FOOT_M", "MILE_M", "metres_per_unit"]

FOOT_M = 0.3048
"""Metres of a foot."""

MILE_M = 1609.344
"""Metres of a mile."""


def metres_per_unit(crs: str) -> float | None:
    """Tell how many metres one unit of a projected reference system is; None where it is in degrees.

    Raises
    ------
    StudyAreaError
        If the system is unknown.

    Examples
    --------
    >>> metres_per_unit("EPSG:2913"), metres_per_unit("EPSG:4326")
    (0.3048, None)
    """
    try:
        parsed = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise StudyAreaError(f"Reference system {crs!r} is not known: give a code such as EPSG:2913.") from error
    if not parsed.is_projected:
        return None
    return float(parsed.axis_info[0].unit_conversion_factor)
