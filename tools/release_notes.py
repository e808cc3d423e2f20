"""Print what the changelog says of a release, and refuse a tag that is not the version or is not told of.

python tools/release_notes.py v0.1.0
"""

import re
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def notes_of(tag: str, *, version: str, changelog: str) -> str:
    """Return the section of the changelog for a tag.

    Parameters
    ----------
    tag : str
        Such as ``v0.1.0``.
    version : str
        What the code says it is.
    changelog : str
        Markdown with a heading of level two per release.

    Raises
    ------
    SystemExit
        If tag and version differ, or the section is missing or empty.
    """
    if tag != f"v{version}":
        raise SystemExit(f"The tag is {tag}, the code says {version}: change src/crimepatterns/version.py, then tag.")
    found = re.search(
        rf"^## {re.escape(version)}(?![\w.])[^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if found is None or not found[1].strip():
        raise SystemExit(f"CHANGELOG.md tells nothing under '## {version}': name the release there, then tag.")
    return found[1].strip() + "\n"


if __name__ == "__main__":
    told = (PROJECT / "src/crimepatterns/version.py").read_text(encoding="utf-8")
    code_version = re.search(r'__version__ = "([^"]+)"', told)
    sys.stdout.write(
        notes_of(
            sys.argv[1],
            version=code_version[1] if code_version else "",
            changelog=(PROJECT / "CHANGELOG.md").read_text(encoding="utf-8"),
        )
    )
