"""How a grid is chosen by its catch on past days."""

from typing import Annotated

from pydantic import Field, model_validator

from crimepatterns.config.values import Model, Positive, PositiveInt, Share

__all__ = ["GridChoiceSettings"]


class GridChoiceSettings(Model):
    """What `crimepatterns grid` and the rules of challenges try, and within which limits."""

    cell_sizes_m: Annotated[tuple[Positive, ...], Field(min_length=1)] = (150.0, 200.0, 250.0, 350.0, 500.0)
    smallest_side_m: Positive = 100.0
    rotations_deg: Annotated[tuple[float, ...], Field(min_length=1)] = (0.0, 30.0, 60.0)
    shifts: PositiveInt = 3
    half_lives_days: Annotated[tuple[Positive | None, ...], Field(min_length=1)] = (None, 1460.0, 730.0, 365.0)
    touching: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)] = (0.0, 0.1, 0.2)
    area_share: Share = 0.02
    compactness: Annotated[float, Field(ge=0)] = 0.0
    least_patch_cells: PositiveInt = 1
    origins: PositiveInt = 26
    step_days: PositiveInt = 28
    challenge_cells_ft: Annotated[tuple[Positive, ...], Field(min_length=1)] = (250.0, 400.0)
    challenge_aspects: Annotated[tuple[Annotated[float, Field(ge=1)], ...], Field(min_length=1)] = (1.0, 2.0)
    challenge_areas_mi2: Annotated[tuple[Positive, ...], Field(min_length=1)] = (0.25, 0.75)

    @model_validator(mode="after")
    def _within_limits(self) -> "GridChoiceSettings":
        if min(self.cell_sizes_m) < self.smallest_side_m:
            raise ValueError(
                f"cell_sizes_m has {min(self.cell_sizes_m):g}, smaller than smallest_side_m {self.smallest_side_m:g}"
            )
        return self
