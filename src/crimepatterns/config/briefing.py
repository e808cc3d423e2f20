"""Settings of the morning's page: how many places, and what an agency does there that is not enforcement."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from crimepatterns.config.values import Model, PositiveInt

__all__ = ["BriefingSettings"]

_Text = Annotated[str, Field(min_length=1, max_length=400)]
_Name = Annotated[str, Field(max_length=120)]

_RESPONSES = {
    "burglary": "Tell residents and housing managers within a block; offer a check of doors, locks and lighting.",
    "robbery": "Walk the route with shopkeepers and the transit operator; mend lighting and sight lines.",
    "theft": "Speak with the managers of the busiest premises about goods, exits and staffing at the peak hours.",
    "vehicle": "Put up notices for drivers; ask the car park's owner about lighting, sight and access.",
    "assault": "Visit licensed premises with the licensing office; look at closing times, taxis and lighting.",
    "damage": "Report for repair within two days; ask schools and youth services what they know of the place.",
}
_OWNERS = {
    "burglary": "Crime prevention",
    "robbery": "Community policing",
    "theft": "Business liaison",
    "vehicle": "Crime prevention",
    "assault": "Licensing",
    "damage": "Street services",
}


class BriefingSettings(Model):
    """The page "This morning"."""

    places: PositiveInt = 7
    patterns: PositiveInt = 3
    responses: Mapping[str, _Text] = _RESPONSES
    response: _Text = "Visit, listen to those who live and work there, and write down what makes the place easy."
    owners: Mapping[str, _Name] = _OWNERS
    owner: _Name = "Area commander"

    def response_to(self, category: str) -> str:
        """Return what is suggested for a category: the longest name in `responses` that is part of its name."""
        return _fitting(self.responses, category) or self.response

    def owner_of(self, category: str) -> str:
        """Return who sees to it; found in the same way."""
        return _fitting(self.owners, category) or self.owner


def _fitting(named: Mapping[str, str], category: str) -> str:
    wanted = category.casefold().replace("_", " ")
    fitting = [name for name in named if name.casefold() in wanted]
    return named[max(fitting, key=len)] if fitting else ""
