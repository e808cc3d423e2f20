"""The version and the commit of the code that runs, in one place."""

import shutil
import subprocess
from pathlib import Path

__all__ = ["__version__", "code_commit"]

__version__ = "0.1.0"


def code_commit() -> str | None:
    """Return the commit of the code that runs, with ``-dirty`` where it was changed; None outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return None
    here = Path(__file__).resolve().parent
    found = subprocess.run(
        [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None
