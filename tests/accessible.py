"""The rules of accessibility, asked of a page in the browser by axe."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

FRONTEND = Path(__file__).resolve().parents[1] / "deployment" / "app" / "frontend"
AXE = FRONTEND / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def broken_rules(page: Page, *, least_passed: int = 1) -> list[str]:
    """Return what breaks a rule; the page must have been opened with ``bypass_csp=True``, for axe is a script too."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed (make frontend)")
    page.add_script_tag(path=AXE)
    found = page.evaluate(
        """async (rules) => {
            const run = await axe.run(document, { runOnly: rules });
            return { passed: run.passes.length, broken: run.violations.flatMap((rule) =>
                rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 160)} ${node.failureSummary}`)) };
        }""",
        RULES,
    )
    assert found["passed"] >= least_passed
    return list(found["broken"])
