#!/usr/bin/env bash
# Train and evaluate a small city beside a real MLflow server on this machine, and look at what arrived with MLflow's own
# client. Server and client come from the lock of deployment/tracking into an environment of their own. About two minutes.
#   tools/test_mlflow.sh               MLFLOW=/path/to/environment tools/test_mlflow.sh
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=$(realpath -s "${PYTHON:-.venv/bin/python}")
MLFLOW=${MLFLOW:-.make/mlflow}
LOCK=deployment/tracking/requirements.txt
WORK=$(mktemp -d)
server=""

finish() { [ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$WORK"; }
trap finish EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }

if [ ! -x "$MLFLOW/bin/mlflow" ]; then
  "$PYTHON" -m venv --clear "$MLFLOW"
  "$MLFLOW/bin/python" -m pip install --quiet --require-hashes -r "$LOCK"
fi
MLFLOW=$(realpath -s "$MLFLOW")
tools=$(realpath tools)
export PYTHONPATH=$PWD/src MLFLOW_TRACKING_URI

port=$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
MLFLOW_TRACKING_URI=http://127.0.0.1:$port
begin() {
  (cd "$WORK" && exec "$MLFLOW/bin/mlflow" server --backend-store-uri "sqlite:///$WORK/mlflow.db" \
    --artifacts-destination "$WORK/artifacts" --host 127.0.0.1 --port "$port" --workers 1 >>"$WORK/server.log" 2>&1) &
  server=$!
  for _ in $(seq 120); do
    "$PYTHON" -c "import httpx; httpx.get('$MLFLOW_TRACKING_URI/health').raise_for_status()" 2>/dev/null && return
    kill -0 "$server" 2>/dev/null || { tail -n 20 "$WORK/server.log" >&2; fail "the MLflow server ended"; }
    sleep 1
  done
  fail "the MLflow server did not begin"
}

small=(--set "root=$WORK" --set source.incidents=4000 --set source.years=1 --set grid.cell_size_m=500
  --set 'forecast.categories=["theft"]' --set 'forecast.models=["count","count_eb","gradient_boosting"]'
  --set forecast.tuning_candidates=1 --set forecast.max_rows=6000 --set evaluation.select_origins=6
  --set evaluation.judge_origins=6 --set evaluation.simulations=20 --set workers=1)
product() { "$PYTHON" -m crimepatterns "$@" "${small[@]}"; }
tracked() { product "$@" --set "tracking.mlflow=$MLFLOW_TRACKING_URI"; }
probe() { "$MLFLOW/bin/python" "$tools/probe_mlflow.py" "$WORK" "$@"; }

product ingest >/dev/null
product clean >/dev/null
product context >/dev/null

# No server yet: the work is done all the same, and the reader is told.
tracked train --json >"$WORK/train.json"
grep -q "Not told to MLflow" "$WORK/train.json" || fail "a missing server was not told"
[ -n "$(ls "$WORK"/models/*/*/manifest.json)" ] || fail "training hung on the server"
ok "without a server training works and says so"

begin
tracked model track | grep -q "^1 new run told" || fail "the version was not told afterwards"
tracked evaluate >/dev/null
probe versions=1 evaluations=1 champion=1
ok "parameters, metrics, figures and the model of the first training, and the evaluation, are there"

tracked model track | grep -q "^0 new runs told" || fail "runs were told twice"
ok "nothing is told twice"

product train --set forecast.seed=8 --set "tracking.mlflow=$MLFLOW_TRACKING_URI" >/dev/null
probe versions=2 evaluations=1 champion=1 candidate=2
name=default-theft-gradient_boosting
tracked model promote "$name" --despite-gates --reason "a drill" >/dev/null
probe versions=2 evaluations=1 champion=2 previous=1
ok "champion, candidate and previous follow the stages"
tracked model roll-back "$name" --reason "a drill" >/dev/null
probe versions=2 evaluations=1 champion=1 candidate=2
ok "and so they do on the way back"
echo "all well, with $("$MLFLOW/bin/mlflow" --version)"
