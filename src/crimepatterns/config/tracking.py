"""Settings of where trainings and evaluations are logged for people who use MLflow."""

from urllib.parse import urlsplit

from pydantic import field_validator

from crimepatterns.config.values import Model

__all__ = ["TrackingSettings"]


class TrackingSettings(Model):
    """An MLflow server, and the experiment to log under."""

    mlflow: str | None = None
    experiment: str | None = None

    @field_validator("mlflow")
    @classmethod
    def _an_address(cls, address: str | None) -> str | None:
        if address is None:
            return None
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("tracking.mlflow must be the address of a server, such as http://127.0.0.1:5000")
        if parts.username or parts.password:
            raise ValueError(
                "tracking.mlflow must hold no password: set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD, in the environment"
            )
        return address.rstrip("/")
