"""Why a cell expects what it expects, from what the stored forecast says about itself."""

from typing import Any

from crimepatterns.errors import ConfigError
from crimepatterns.serving.failures import UnknownNameError
from crimepatterns.serving.names import model_label, with_place_names
from crimepatterns.serving.pages.stored import layer_of
from crimepatterns.serving.results import Category, Results
from crimepatterns.store.explanations import cells_explained

__all__ = ["explanations"]


def explanations(results: Results, category: Category, cell: str | None = None, *, most: int = 3) -> dict[str, Any]:
    """Explain one cell, or those that expect most, by the champion or by the first model that can tell.

    Parameters
    ----------
    results : Results
    category : Category
    cell : str, optional
    most : int
        Cells that are explained where none is named.

    Returns
    -------
    dict
        ``model`` (None where no stored model can tell), ``champion`` (whether it is the one that is served) and
        ``cells``: ``cell_id``, ``sentence``, ``contributions`` and so on.

    Raises
    ------
    UnknownNameError
        If there is no such cell.
    MissingInputError
        If the category is not forecast.
    """
    champion = results.forecast_path(category)
    others = sorted((results.layout.forecasts / category.slug).glob("*.parquet"))
    names = results.place_names()
    for path in (champion, *others):
        layer, facts = layer_of(results, path)
        try:
            told = cells_explained(layer, facts, [cell] if cell else (), most=most)
        except ConfigError as error:
            raise UnknownNameError(str(error)) from error
        if told:
            return {
                "model": model_label(told[0].model),
                "champion": path == champion,
                "cells": [{**one.to_json(), "sentence": with_place_names(one.sentence(), names)} for one in told],
            }
    return {"model": None, "champion": False, "cells": []}
