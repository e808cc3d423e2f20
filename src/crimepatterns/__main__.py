"""``python -m crimepatterns`` is the command line."""

from crimepatterns.cli import main

if __name__ == "__main__":
    main()
