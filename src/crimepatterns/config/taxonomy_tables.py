"""The tables behind `taxonomy` in the settings: shipped ones by name, the user's own by path.

Apart from the settings themselves, because these objects need numeric libraries, which the command line starts without.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from crimepatterns.cleaning.crosswalk import Crosswalk, Offence, read_crosswalk, read_offences
from crimepatterns.cleaning.taxonomy import Taxonomy
from crimepatterns.config.data import TaxonomySettings
from crimepatterns.config.loading import find_resource
from crimepatterns.domain.harm import HarmWeights
from crimepatterns.errors import ConfigError, DomainError

__all__ = ["crosswalk_names", "open_crosswalk", "open_harm", "open_offences", "open_taxonomy", "table_files"]

_HARM = "harm_"


def crosswalk_names() -> tuple[str, ...]:
    """Names of the shipped crosswalks."""
    return tuple(path.stem for path in _shipped() if not path.stem.startswith(_HARM))


def open_offences() -> dict[str, Offence]:
    """Return the NIBRS offences by code."""
    return read_offences(find_resource("config/taxonomy/nibrs.csv").read_text(encoding="utf-8"))


def open_crosswalk(name: str) -> Crosswalk:
    """Read a shipped crosswalk by its name, or the user's own by its path.

    Raises
    ------
    ConfigError
        If there is no such table, or a line of it does not fit.
    """
    path = _find(name, harm=False)
    return read_crosswalk(path.stem, _text(path), open_offences())


def open_taxonomy(settings: TaxonomySettings, *, mapping: Mapping[str, str] | None = None) -> Taxonomy:
    """Put together what turns labels into categories; `mapping` stands for that of the settings where given.

    Raises
    ------
    ConfigError
        As `open_crosswalk`.
    """
    own = mapping if mapping is not None else settings.mapping
    crosswalk = None if settings.crosswalk is None else open_crosswalk(settings.crosswalk)
    return Taxonomy(
        mapping=own,
        unmapped=settings.unmapped,
        police_initiated=settings.police_initiated,
        fixed_category=settings.fixed_category,
        crosswalk=crosswalk,
        discovery=_discovery(),
    )


def open_harm(settings: TaxonomySettings) -> HarmWeights | None:
    """Read the harm weights of the settings; None where they name none.

    A table has the columns ``category`` or ``offence`` (or both) and ``days``; further columns are for people.

    Raises
    ------
    ConfigError
        If there is no such table, or a line of it does not fit.
    """
    if settings.harm is None:
        return None
    path = _find(settings.harm, harm=True)
    lines = _text(path).splitlines()
    about = " ".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    kept = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    reader = csv.DictReader(io.StringIO("\n".join(line for _, line in kept)))
    columns = reader.fieldnames or ()
    if "days" not in columns or not {"category", "offence"} & set(columns):
        raise ConfigError(f"Harm table {path} needs the columns days and category or offence; found {list(columns)}.")
    found: dict[str, dict[str, float]] = {"category": {}, "offence": {}}
    for (number, _), row in zip(kept[1:], reader, strict=False):
        key = "offence" if (row.get("offence") or "").strip() else "category"
        label = (row.get(key) or "").strip()
        try:
            found[key][label] = float(row["days"] or "")
        except ValueError as error:
            raise ConfigError(
                f"Harm table {path}, line {number}: days must be a number, got {row['days']!r}."
            ) from error
        if not label:
            raise ConfigError(f"Harm table {path}, line {number}: category and offence are both empty.")
    try:
        return HarmWeights(path.stem, found["category"], found["offence"], about=about)
    except DomainError as error:
        raise ConfigError(f"{path}: {error}") from error


def table_files(settings: TaxonomySettings) -> tuple[str, ...]:
    """Paths of the user's own tables, whose content a stage depends on; shipped ones change with the version only."""
    shipped = {path.stem for path in _shipped()} | {path.stem.removeprefix(_HARM) for path in _shipped()}
    return tuple(name for name in (settings.crosswalk, settings.harm) if name is not None and name not in shipped)


def _discovery() -> dict[str, str]:
    """Category to how it comes to light: that of its first offence, and police stops, which are no offence."""
    found = {"stops": "police-initiated"}
    for offence in open_offences().values():
        found.setdefault(offence.category, offence.discovery)
    return found


def _shipped() -> list[Path]:
    return sorted(find_resource("config/taxonomy").glob("*.csv"))


def _find(name: str, *, harm: bool) -> Path:
    shipped = {path.stem: path for path in _shipped() if path.stem.startswith(_HARM) == harm}
    for known in (name, f"{_HARM}{name}" if harm else name):
        if known in shipped:
            return shipped[known]
    if Path(name).is_file():
        return Path(name)
    setting, listed = ("taxonomy.harm", "harm tables") if harm else ("taxonomy.crosswalk", "crosswalks")
    names = ", ".join(stem.removeprefix(_HARM) if harm else stem for stem in sorted(shipped))
    raise ConfigError(f"{setting} names {name!r}, which is no file and none of the shipped {listed}: {names}.")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Taxonomy table {path} cannot be read as UTF-8 text: {' '.join(str(error).split())}."
        ) from error
