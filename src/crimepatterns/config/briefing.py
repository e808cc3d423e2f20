"""Settings of the morning's page: how many places, and what an agency does there that is not enforcement."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from crimepatterns.config.values import Model, PositiveInt

__all__ = ["BriefingSettings", "ResponseSettings"]

_Text = Annotated[str, Field(min_length=1, max_length=400)]


class ResponseSettings(Model):
    """What is suggested where one kind of incident gathers, and who sees to it."""

    response: _Text
    owner: Annotated[str, Field(max_length=120)] = ""


_DEFAULT: Mapping[str, ResponseSettings] = {
    "burglary": ResponseSettings(
        response="Tell residents and housing managers within a block; offer a check of doors, locks and lighting.",
        owner="Crime prevention",
    ),
    "robbery": ResponseSettings(
        response="Walk the route with shopkeepers and the transit operator; mend lighting and sight lines.",
        owner="Community policing",
    ),
    "theft": ResponseSettings(
        response="Speak with the managers of the busiest premises about goods, exits and staffing at the peak hours.",
        owner="Business liaison",
    ),
    "vehicle": ResponseSettings(
        response="Put up notices for drivers; ask the car park's owner about lighting, sight and access.",
        owner="Crime prevention",
    ),
    "assault": ResponseSettings(
        response="Visit licensed premises with the licensing office; look at closing times, taxis and lighting.",
        owner="Licensing",
    ),
    "damage": ResponseSettings(
        response="Report for repair within two days; ask schools and youth services what they know of the place.",
        owner="Street services",
    ),
}


class BriefingSettings(Model):
    """The page "This morning"."""

    places: PositiveInt = 7
    patterns: PositiveInt = 3
    responses: Mapping[str, ResponseSettings] = _DEFAULT
    otherwise: ResponseSettings = ResponseSettings(
        response="Visit, listen to those who live and work there, and write down what makes the place easy.",
        owner="Area commander",
    )

    def response_to(self, category: str) -> ResponseSettings:
        """Return what is suggested for a category: the longest name in `responses` that is part of its name."""
        wanted = category.casefold().replace("_", " ")
        fitting = [name for name in self.responses if name.casefold() in wanted]
        return self.responses[max(fitting, key=len)] if fitting else self.otherwise
