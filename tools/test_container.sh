#!/usr/bin/env bash
# Build the image, run it as production would (no root, read-only, no capabilities), and probe it. No container engine's
# daemon is needed: buildah and podman of Debian do it, as root. Without BASE, the base is made here by debootstrap.
#   tools/test_container.sh            BASE=registry/debian:bookworm-slim tools/test_container.sh
set -euo pipefail
cd "$(dirname "$0")/.."

IMAGE=localhost/crimepatterns:test
PYTHON=${PYTHON:-.venv/bin/python}
PORT=${PORT:-18000}
WORK=$(mktemp -d)
export STORAGE_DRIVER=${STORAGE_DRIVER:-vfs} BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
# What a restricted pod gets; host network, since the addresses are those of this machine alone.
ENGINE=(podman --cgroup-manager cgroupfs --runtime runc)
BOUNDS=(--network host --read-only --tmpfs /tmp:rw,size=512m,mode=1777 --cap-drop all --security-opt no-new-privileges
  --ulimit nofile=1024:1024 --ulimit nproc=1024:1024)
started=()

finish() {
  for one in "${started[@]}"; do "${ENGINE[@]}" rm -f "$one" >/dev/null 2>&1 || true; done
  rm -rf "$WORK"
}
trap finish EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
passed=0
ok() { passed=$((passed + 1)); echo "ok: $*"; }
inside() { "${ENGINE[@]}" run --rm "${BOUNDS[@]}" "$@"; }
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }'; }

# -- programs --------------------------------------------------------------------------------------------------------

missing=()
for program in buildah podman runc debootstrap; do command -v "$program" >/dev/null || missing+=("$program"); done
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || fail "install ${missing[*]} (needs root on Debian)"
  DEBIAN_FRONTEND=noninteractive apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# -- base and build --------------------------------------------------------------------------------------------------

if [ -z "${BASE:-}" ]; then
  BASE=localhost/debian-base:bookworm
  if ! podman image exists "$BASE"; then
    began=$(now)
    mirror=$(grep -hoPm1 '^(URIs: |deb )\Khttp\S+' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
    debootstrap --variant=minbase --include=ca-certificates bookworm "$WORK/base" ${mirror:+"$mirror"} >"$WORK/log" 2>&1 ||
      { tail -n 5 "$WORK/log"; fail "debootstrap"; }
    tar -C "$WORK/base" -c . | podman import - "$BASE" >/dev/null 2>&1
    rm -rf "$WORK/base"
    echo "base made by debootstrap in $(since "$began") s"
  fi
fi
# Where a proxy has certificates of its own, the builder borrows the machine's.
printf '[global]\ncert = /run/secrets/certificates\n' >"$WORK/pip.conf"
began=$(now)
buildah bud --layers --network host --build-arg BASE="$BASE" \
  --build-arg VERSION="$(sed -n 's/^__version__ = "\(.*\)"/\1/p' src/crimepatterns/version.py)" \
  --build-arg REVISION="$(git rev-parse HEAD)" \
  --secret id=pip.conf,src="$WORK/pip.conf" --secret id=certificates,src=/etc/ssl/certs/ca-certificates.crt \
  -f deployment/model_server/Dockerfile -t "$IMAGE" . >"$WORK/log" 2>&1 || { tail -n 20 "$WORK/log"; fail "build"; }
size=$(podman image inspect --format '{{.Size}}' "$IMAGE")
ok "built in $(since "$began") s, $((size / 1000000)) MB"

# -- what is in it ---------------------------------------------------------------------------------------------------

[ "$(podman image inspect --format '{{.Config.User}}' "$IMAGE")" = 10001:10001 ] || fail "the image runs as root"
[ "$(inside --entrypoint id "$IMAGE" -u)" = 10001 ] || fail "the process runs as root"
ok "runs as user 10001"
inside --entrypoint sh "$IMAGE" -c 'for place in / /opt/crimepatterns /usr /etc; do touch $place/x 2>/dev/null && exit 1; done; exit 0' ||
  fail "a place outside the volume and /tmp can be written to"
ok "nothing but the volume and /tmp can be written to"
inside --entrypoint sh "$IMAGE" -c 'grep -qx "CapEff:\s*0000000000000000" /proc/self/status' || fail "the process has capabilities"
ok "no capabilities"
inside --entrypoint sh "$IMAGE" -c '! command -v gcc && ! command -v pip' >/dev/null || fail "build tools are in the image"
ok "no compiler, no pip"
inside --entrypoint sh "$IMAGE" -c '[ -z "$(find / -xdev \( -name pip.conf -o -path "/run/secrets/*" \) 2>/dev/null)" ]' || fail "the builder's secrets are in the image"
ok "nothing of the builder's is left in it"
inside --entrypoint python3 "$IMAGE" -c '
import importlib.metadata as m
print("\n".join(sorted(f"{d.name.lower().replace(chr(95), chr(45)).replace(chr(46), chr(45))}=={d.version}" for d in m.distributions() if d.name != "crimepatterns")))' >"$WORK/installed"
"$PYTHON" tools/sbom.py --requirements deployment/model_server/requirements.txt --output "$WORK/sbom.json" --installed "$WORK/installed" ||
  fail "the bill of materials does not fit what is installed"
ok "bill of materials fits what is installed: $(wc -l <"$WORK/installed") packages"

# -- the jobs, the page ----------------------------------------------------------------------------------------------

mkdir "$WORK/srv" && chown 10001:10001 "$WORK/srv"
SMALL=(--set source.incidents=8000 --set source.years=2 --set grid.cell_size_m=500 --set forecast.categories='[theft]'
  --set forecast.models='[count,count_eb]' --set evaluation.select_origins=4 --set evaluation.simulations=20 --set workers=1
  --set patterns.methods='[density]')
began=$(now)
inside -v "$WORK/srv:/srv/crimepatterns" "$IMAGE" run --no-serve "${SMALL[@]}" >"$WORK/log" 2>&1 ||
  { tail -n 20 "$WORK/log"; fail "the job"; }
ok "job: a small city from records to figures in $(since "$began") s"
inside -v "$WORK/srv:/srv/crimepatterns" "$IMAGE" verify --set city=default >/dev/null || fail "verify"
ok "job: everything it left is whole"

probe() { # NAME URL: until it answers
  for _ in $(seq 1 100); do
    curl -fsS -o "$WORK/answer" "$2" 2>/dev/null && return 0
    sleep 0.1
  done
  "${ENGINE[@]}" logs "$1" | tail -n 20
  fail "$2 does not answer"
}
began=$(now)
started+=(page)
"${ENGINE[@]}" run -d --name page "${BOUNDS[@]}" -v "$WORK/srv:/srv/crimepatterns:ro" "$IMAGE" \
  serve --set serving.port="$PORT" "${SMALL[@]}" >/dev/null
probe page "http://127.0.0.1:$PORT/"
ok "page: answers $(since "$began") s after its start, with the volume read-only"
for path in /api/forecast/theft /api/scoreboard /static/styles.css; do
  curl -fsS -o /dev/null "http://127.0.0.1:$PORT$path" || fail "$path"
done
ok "page: forecast, scoreboard and style answer"
pid=$("${ENGINE[@]}" inspect --format '{{.State.Pid}}' page)
echo "page: $(awk '/VmRSS/ { printf "%d", $2 / 1000 }' "/proc/$pid/status") MB resident"
began=$(now)
"${ENGINE[@]}" stop -t 20 page >/dev/null 2>&1
[ "$("${ENGINE[@]}" inspect --format '{{.State.ExitCode}}' page)" -eq 0 ] || fail "the page did not stop by itself on SIGTERM"
ok "page: stops by itself on SIGTERM in $(since "$began") s"

began=$(now)
started+=(model-server)
"${ENGINE[@]}" run -d --name model-server "${BOUNDS[@]}" -v "$WORK/srv:/srv/crimepatterns:ro" --entrypoint uvicorn "$IMAGE" \
  --app-dir /opt/crimepatterns/deployment/model_server app:app --host 127.0.0.1 --port "$((PORT + 1))" --no-server-header >/dev/null
for path in /health /ready /v1/info; do probe model-server "http://127.0.0.1:$((PORT + 1))$path"; done
ok "model server: alive, ready, and tells what it serves $(since "$began") s after its start"
"${ENGINE[@]}" stop -t 20 model-server >/dev/null 2>&1
[ "$("${ENGINE[@]}" inspect --format '{{.State.ExitCode}}' model-server)" -eq 0 ] || fail "the model server did not stop by itself"
ok "model server: stops by itself on SIGTERM"

began=$(now)
podman push -q "$IMAGE" "oci-archive:$WORK/image.tar" >/dev/null 2>&1
ok "as an OCI archive: $(($(stat -c %s "$WORK/image.tar") / 1000000)) MB, written in $(since "$began") s"
echo "$passed passed, 0 failed"
