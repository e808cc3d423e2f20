"""Clean ingested incident records into data/processed.

Example: python scripts/data_cleaning_script.py --config config/cities/chicago.yaml --format csv
"""

import argparse
import json
import sys

from crimepatterns.config import load_settings
from crimepatterns.data_processing import clean
from crimepatterns.errors import CrimePatternsError


def main() -> int:
    """Parse the arguments and run the stage."""
    parser = argparse.ArgumentParser(
        description="Check every ingested row, keep the good ones and account for each rejected one.",
        epilog="Example: python scripts/data_cleaning_script.py --config config/cities/chicago.yaml --format csv",
    )
    parser.add_argument("--config", help="city file; the embedded default city where it is left out")
    parser.add_argument("--root", help="project folder that holds data/; the current folder where it is left out")
    parser.add_argument(
        "--format", choices=("parquet", "csv"), default="parquet", help="csv also writes preprocessed_data.csv"
    )
    arguments = parser.parse_args()
    try:
        settings = load_settings(arguments.config, {"root": arguments.root} if arguments.root else None)
        print(json.dumps(clean(settings, csv=arguments.format == "csv"), indent=2))
    except CrimePatternsError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
