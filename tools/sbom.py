"""Write the image's bill of materials: CycloneDX 1.6 JSON from the hashed requirements; same input, same bytes.

    python tools/sbom.py --requirements deployment/model_server/requirements.txt --output sbom.json

With ``--installed FILE`` (lines ``name==version``) it also checks that exactly what is listed is installed.
"""

import argparse
import json
import re
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[1]
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}


@dataclass(frozen=True)
class Pinned:
    """One line of the requirements: a package at a version, with the digests of its files."""

    name: str
    version: str
    marker: str
    sha256: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Name of the package among all packages of the world."""
        return f"pkg:pypi/{self.name}@{self.version}"

    def on_linux(self, python: str) -> bool:
        """Tell whether the package belongs in an image with that Python."""
        return not self.marker or Marker(self.marker).evaluate(
            {**LINUX, "python_version": python, "python_full_version": f"{python}.0"}
        )


def read_pins(path: Path) -> list[Pinned]:
    """Read a requirements file as `uv pip compile --generate-hashes` writes it."""
    pins = []
    for entry in re.split(r"\n(?=\S)", path.read_text(encoding="utf-8")):
        line = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)(?:\s*;\s*([^\\\n]+))?", entry)
        if line:
            digests = tuple(sorted(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)))
            pins.append(Pinned(canonicalize_name(line[1]), line[2], (line[3] or "").strip(), digests))
    return pins


def bill_of_materials(pins: list[Pinned], *, version: str) -> dict[str, Any]:
    """Describe the product and what it is made of."""
    components = [
        {
            "type": "library",
            "bom-ref": pin.purl,
            "name": pin.name,
            "version": pin.version,
            "purl": pin.purl,
            "externalReferences": [
                {
                    "type": "distribution",
                    "url": pin.purl,
                    "hashes": [{"alg": "SHA-256", "content": digest} for digest in pin.sha256],
                }
            ],
        }
        for pin in sorted(pins, key=lambda pin: pin.name)
    ]
    product = {"type": "application", "bom-ref": "crimepatterns", "name": "crimepatterns", "version": version}
    whole = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**product, "licenses": [{"license": {"id": "MIT"}}]}},
        "components": components,
        "dependencies": [{"ref": "crimepatterns", "dependsOn": [component["bom-ref"] for component in components]}],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(whole, sort_keys=True))
    return {**whole, "serialNumber": f"urn:uuid:{serial}"}


def differences(pins: list[Pinned], installed: Path) -> list[str]:
    """Tell what is listed but not installed, and the other way round."""
    listed = {f"{pin.name}=={pin.version}" for pin in pins}
    there = {line.strip() for line in installed.read_text(encoding="utf-8").splitlines() if line.strip()}
    return [f"listed, not installed: {one}" for one in sorted(listed - there)] + [
        f"installed, not listed: {one}" for one in sorted(there - listed)
    ]


def main() -> int:
    """Write the bill, and compare where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requirements", type=Path, default=PROJECT / "deployment/model_server/requirements.txt")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--python", default="3.11", help="Python of the image.")
    parser.add_argument("--installed", type=Path)
    asked = parser.parse_args()
    pins = [pin for pin in read_pins(asked.requirements) if pin.on_linux(asked.python)]
    told = (PROJECT / "src/crimepatterns/version.py").read_text(encoding="utf-8")
    version = re.search(r'__version__ = "([^"]+)"', told)
    bill = bill_of_materials(pins, version=version[1] if version else "unknown")
    asked.output.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    wrong = differences(pins, asked.installed) if asked.installed else []
    sys.stderr.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
