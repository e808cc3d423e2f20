"""The guard that keeps what people are out of what is predicted about places, for features and context."""

import numpy as np
import pandas as pd

from crimepatterns.domain.audit_names import is_audit_name, refuse_audit_columns
from crimepatterns.errors import AuditColumnError

__all__ = ["is_audit_name", "refuse_audit_columns", "refuse_audit_copies"]

_FEWEST = 6
_SAME = 0.9999


def refuse_audit_copies(feature: pd.DataFrame, audit: pd.DataFrame, *, layer: str) -> None:
    """Refuse a column under another name whose values are those of an audit column, or a linear function of them.

    Parameters
    ----------
    feature, audit : DataFrame
        Numbers by key; the index of each names places or areas, and only those in both are compared.
    layer : str
        Name of the feature layer, for the message.

    Raises
    ------
    AuditColumnError
        If the correlation over at least six common keys is above 0.9999 in size.
    """
    once = [table.loc[~table.index.duplicated(keep="last")] for table in (feature, audit)]
    common = once[0].index.intersection(once[1].index)
    for name in feature.columns:
        for other in audit.columns:
            pair = np.column_stack([once[0].loc[common, name], once[1].loc[common, other]]).astype(float)
            pair = pair[np.isfinite(pair).all(axis=1)]
            if len(pair) < _FEWEST or (np.ptp(pair, axis=0) == 0).any():
                continue
            if abs(float(np.corrcoef(pair.T)[0, 1])) > _SAME:
                raise AuditColumnError(
                    f"Column {name!r} of context layer {layer} holds the values of {other!r}, which has the role "
                    "audit: such a column serves to audit a map, never to draw it. Leave it out."
                )
