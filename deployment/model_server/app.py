"""The model server for a server such as uvicorn: ``uvicorn --app-dir deployment/model_server app:app --port 8001``.

CRIMEPATTERNS_CONFIG names the city file; the embedded default city where it is not set.
"""

import os

from crimepatterns.config import load_settings
from crimepatterns.serving.memory import keep_small
from crimepatterns.serving.model_server.application import create_model_app
from crimepatterns.serving.request_log import log_as_json

keep_small()
log_as_json(requests=True)
app = create_model_app(load_settings(os.environ.get("CRIMEPATTERNS_CONFIG") or None))
