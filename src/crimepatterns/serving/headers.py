"""Security headers on every answer: nothing from elsewhere, nothing inline, no framing."""

import base64
import hashlib
import re
from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["PAGE_POLICY", "SecurityHeaders", "report_policy", "style_hash"]

# Observable Plot puts this one constant style element into each chart; its hash admits it and nothing else.
_PLOT_CLASS = "plot"
_PLOT_STYLE = f""":where(.{_PLOT_CLASS}) {{
  --plot-background: white;
  display: block;
  height: auto;
  height: intrinsic;
  max-width: 100%;
}}
:where(.{_PLOT_CLASS} text),
:where(.{_PLOT_CLASS} tspan) {{
  white-space: pre;
}}"""


def style_hash(text: str) -> str:
    """Return the CSP source expression of an inline style's exact text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _policy(**directives: Iterable[str]) -> str:
    merged: dict[str, Iterable[str]] = {
        "default_src": ["'none'"],
        "base_uri": ["'none'"],
        "form_action": ["'self'"],
        "frame_ancestors": ["'none'"],
        **directives,
    }
    return "; ".join(f"{name.replace('_', '-')} {' '.join(sources)}" for name, sources in merged.items())


PAGE_POLICY = _policy(
    script_src=["'self'"],
    worker_src=["'self'", "blob:"],
    style_src=["'self'", style_hash(_PLOT_STYLE)],
    img_src=["'self'", "data:", "blob:"],
    font_src=["'self'"],
    connect_src=["'self'"],
    manifest_src=["'self'"],
)
"""For the page and the API. MapLibre draws its icons from ``data:`` and ``blob:`` images."""


def report_policy(page: str) -> str:
    """Return the policy of a stored report: no scripts, only its own pictures and the styles written in it.

    Parameters
    ----------
    page : str
        HTML that this product wrote.
    """
    blocks = re.findall(r"<style[^>]*>(.*?)</style>", page, flags=re.DOTALL | re.IGNORECASE)
    return _policy(style_src=[style_hash(text) for text in blocks] or ["'none'"], img_src=["'self'", "data:"])


class SecurityHeaders:
    """ASGI middleware that adds the headers; a route's own policy wins.

    Parameters
    ----------
    app : ASGI application
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete the headers of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("content-security-policy", PAGE_POLICY)
                headers.setdefault("x-content-type-options", "nosniff")
                headers.setdefault("referrer-policy", "no-referrer")
                headers.setdefault("cross-origin-opener-policy", "same-origin")
                headers.setdefault("cross-origin-resource-policy", "same-origin")
                headers.setdefault("permissions-policy", "camera=(), geolocation=(), microphone=()")
                headers.setdefault("cache-control", "no-cache")
            await send(message)

        await self._app(scope, receive, complete)
