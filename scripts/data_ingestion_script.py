"""Copy raw incident records under data/raw.

Example: python scripts/data_ingestion_script.py --config config/cities/chicago.yaml
"""

import argparse
import json
import sys

from crimepatterns.config import load_settings
from crimepatterns.data_processing import ingest
from crimepatterns.errors import CrimePatternsError


def main() -> int:
    """Parse the arguments and run the stage."""
    parser = argparse.ArgumentParser(
        description="Copy raw incident records under data/raw, without columns that look personal.",
        epilog="Example: python scripts/data_ingestion_script.py --config config/cities/chicago.yaml",
    )
    parser.add_argument("--config", help="city file; the embedded default city where it is left out")
    parser.add_argument("--root", help="project folder that holds data/; the current folder where it is left out")
    arguments = parser.parse_args()
    try:
        settings = load_settings(arguments.config, {"root": arguments.root} if arguments.root else None)
        print(json.dumps(ingest(settings), indent=2))
    except CrimePatternsError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
