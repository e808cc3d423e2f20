"""The API as a page: every address of the running server with its parameters and a command to try it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

__all__ = ["described"]

_EXAMPLES = {
    "category": "theft",
    "layer": "gi_star",
    "digest": "GRID",
    "cell": "CELL",
    "z": "11",
    "x": "500",
    "y": "760",
}
"""Values that make an address an example; capitals stand for what another answer names."""


def described(openapi: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return what the template needs of an OpenAPI document.

    Parameters
    ----------
    openapi : mapping
        Of the running application.
    base : str
        Its address.

    Returns
    -------
    dict
        ``groups``: by the first part of the path, each with ``name`` and ``operations`` (``method``, ``path``,
        ``summary``, ``parameters``, ``command``, ``try_it``: an address where nothing has to be filled in).
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in openapi.get("paths", {}).items():
        for method, operation in methods.items():
            parts = path.strip("/").split("/")
            group = "/".join(parts[:2]) if parts[0] == "api" and len(parts) > 2 else parts[0]
            groups.setdefault(group, []).append(_operation(path, method, operation, base))
    return {"groups": [{"name": f"/{name}", "operations": own} for name, own in groups.items()], "base": base}


def _operation(path: str, method: str, operation: Mapping[str, Any], base: str) -> dict[str, Any]:
    parameters = [_parameter(one) for one in operation.get("parameters", [])]
    filled = path
    for one in parameters:
        if one["where"] == "path":
            filled = filled.replace(f"{{{one['name']}}}", quote(one["example"], safe=""))
    query = {one["name"]: one["example"] for one in parameters if one["where"] == "query" and one["required"]}
    address = f"{filled}?{urlencode(query)}" if query else filled
    simple = method == "get" and not any(one["required"] for one in parameters)
    send = "" if method == "get" else f"-X {method.upper()} "
    return {
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary", ""),
        "parameters": parameters,
        "command": f'curl -s {send}"{base}{address}"',
        "try_it": path if simple else "",
    }


def _parameter(one: Mapping[str, Any]) -> dict[str, Any]:
    schema = one.get("schema", {})
    kinds = [schema.get("type"), *(part.get("type") for part in schema.get("anyOf", []))]
    default = schema.get("default")
    return {
        "name": str(one["name"]),
        "where": str(one["in"]),
        "required": bool(one.get("required")),
        "kind": " or ".join(str(kind) for kind in kinds if kind and kind != "null"),
        "about": one.get("description") or schema.get("description") or "",
        "default": "" if default is None else str(default),
        "example": _EXAMPLES.get(str(one["name"]), str(one["name"]).upper()),
    }
