"""What settings are made of: the common model, checked numbers, and variables of the environment in paths."""

import os
import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Model", "Positive", "PositiveInt", "Share", "expand_variables"]

Positive = Annotated[float, Field(gt=0)]
PositiveInt = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]


class Model(BaseModel):
    """Settings that refuse unknown names and cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def expand_variables(text: str) -> str:
    """Replace ``${NAME}`` and ``${NAME:-default}`` from the environment."""

    def value(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(3)
        found = os.environ.get(name) or default
        if found is None:
            raise ValueError(f"environment variable {name} is not set and has no default")
        return found

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}", value, text)
