"""Settings of the gates that a candidate passes before it is served."""

from typing import Annotated

from pydantic import Field

from crimepatterns.config.values import Model, PositiveInt, Share

__all__ = ["GateSettings"]


class GateSettings(Model):
    """What a candidate must show before it takes the place of what is served."""

    automatic: bool = True
    accepted_findings: tuple[str, ...] = ()
    catch_margin: Share = 0.05
    deviance_margin: Share = 0.02
    group_ratio: Annotated[float, Field(gt=1)] = 1.25
    area_groups: Annotated[int, Field(ge=2)] = 3
    exposed: tuple[tuple[str, str], ...] = ()
    amplification: Annotated[float, Field(ge=1)] = 1.05
    signed_above: Annotated[float, Field(ge=1)] = 1.5
    least_origins: PositiveInt = 13
