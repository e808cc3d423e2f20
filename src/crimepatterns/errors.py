"""Every error the product raises on purpose, in one hierarchy.

A message says what was expected, what was found and what to do next; the command line prints it as one line and
the API maps the class to an HTTP status.
"""

__all__ = [
    "ArtefactError",
    "AuditColumnError",
    "BusyError",
    "ConfigError",
    "CrimePatternsError",
    "DomainError",
    "ExecutionError",
    "ForecastError",
    "GridError",
    "MissingInputError",
    "ModelError",
    "NotApplicableError",
    "PatternError",
    "SchemaError",
    "SourceError",
    "StudyAreaError",
    "TrackingError",
    "UntrustedModelError",
]


class CrimePatternsError(Exception):
    """Base of all errors a user can act on."""


class ConfigError(CrimePatternsError):
    """A setting is missing, unknown or impossible."""


class SourceError(CrimePatternsError):
    """An incident file or feed cannot be read."""


class SchemaError(CrimePatternsError):
    """A table lacks a mapped column or holds the wrong kind of values."""


class DomainError(CrimePatternsError):
    """A value breaks the invariant of a domain noun."""


class StudyAreaError(DomainError):
    """The study area is empty, invalid or not in a metric reference system."""


class GridError(DomainError):
    """A grid cannot be built, or does not fit what it is used with."""


class PatternError(CrimePatternsError):
    """A pattern method cannot give a meaningful result on this input."""


class ForecastError(CrimePatternsError):
    """A forecaster cannot be fitted or cannot predict."""


class AuditColumnError(ForecastError):
    """A column that may only audit a map was to help to draw it."""


class MissingInputError(CrimePatternsError):
    """A stage needs the result of an earlier stage that is not there yet."""


class NotApplicableError(CrimePatternsError):
    """The records cannot carry this stage, such as forecasts of weeks from dates known to the month."""


class BusyError(CrimePatternsError):
    """What is asked for cannot begin while something else is at work."""


class ArtefactError(CrimePatternsError):
    """A stored artefact is incomplete, damaged or of another version."""


class ModelError(ArtefactError):
    """A stored model cannot be used."""


class UntrustedModelError(ModelError):
    """A stored model was altered or holds types that this product does not trust."""


class ExecutionError(CrimePatternsError):
    """Worker processes cannot be reached, do not fit, or died again and again."""


class TrackingError(CrimePatternsError):
    """A tracking server cannot be reached, or refuses what it is told."""
