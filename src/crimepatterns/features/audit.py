"""The guard that keeps what people are out of what is predicted about places, as the design matrix uses it."""

from crimepatterns.domain.audit_names import is_audit_name, refuse_audit_columns

__all__ = ["is_audit_name", "refuse_audit_columns"]
