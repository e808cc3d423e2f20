"""The web application for a server such as uvicorn: ``uvicorn --app-dir deployment/app main:app``.

CRIMEPATTERNS_CONFIG names the city file; the embedded default city where it is not set.
"""

import os

from crimepatterns.config import load_settings
from crimepatterns.serving.memory import keep_small
from crimepatterns.serving.web import create_app

keep_small()
app = create_app(load_settings(os.environ.get("CRIMEPATTERNS_CONFIG") or None))
