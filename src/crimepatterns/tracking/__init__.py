"""Runs and models told to an MLflow server."""
