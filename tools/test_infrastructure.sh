#!/usr/bin/env bash
# Look at everything that describes machines, and run what can be run on this one: Terraform's core is planned, applied
# and tested, kustomize renders and its output is checked strictly, Ansible deploys to this machine, again, upgrades,
# refuses a broken release, and goes back. Root on Debian for Ansible; about five minutes.
#   tools/test_infrastructure.sh [terraform|kubernetes|container|workflows|ansible ...]
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}
CHECKS=${CHECKS:-.make/infrastructure}
PORTS=(18100 18101)
WORK=$(mktemp -d)
chmod 755 "$WORK"
CONTROL="$WORK/opt/control"
# A wish for settings that are not there would be a warning on every line.
export TF_CLI_CONFIG_FILE=/dev/null TF_IN_AUTOMATION=1 ANSIBLE_HOME="$WORK/ansible" ANSIBLE_NOCOLOR=1

passed=0
skipped=0
ok() { passed=$((passed + 1)); echo "ok: $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
skip() { skipped=$((skipped + 1)); echo "not run: $*"; [ "${REQUIRE:-}" != all ] || fail "$* (REQUIRE=all)"; }
quietly() { "$@" >"$WORK/log" 2>&1 || { tail -n 40 "$WORK/log" >&2; fail "$*"; }; }
finish() { [ -x "$CONTROL" ] && "$CONTROL" stop >/dev/null 2>&1; rm -rf "$WORK"; }
trap finish EXIT

need() { # FILE: put the programs it names into an environment of their own, once
  local file=deployment/infrastructure/$1.txt
  if [ "$(cat "$CHECKS/$1/done" 2>/dev/null)" != "$(sha256sum <"$file")" ]; then
    "$PYTHON" -m venv --clear "$CHECKS/$1"
    quietly "$CHECKS/$1/bin/python" -m pip install --quiet -r "$file"
    sha256sum <"$file" >"$CHECKS/$1/done"
  fi
}

scan() { # FRAMEWORK FOLDER
  need checks-checkov
  quietly "$CHECKS/checks-checkov/bin/checkov" -d "$2" --framework "$1" --compact --quiet --skip-download
  ok "checkov finds nothing: $1"
}

terraform_part() {
  local folder=deployment/infrastructure/terraform
  scan terraform "$folder"
  command -v terraform >/dev/null || { skip "terraform is not installed"; return; }
  quietly terraform fmt -check -recursive "$folder"
  ok "terraform fmt"
  cp -r "$folder" "$WORK/terraform"
  rm -rf "$WORK/terraform/aws"
  (
    cd "$WORK/terraform"
    quietly terraform init -input=false
    quietly terraform validate
    quietly terraform test
    cat >example.tfvars <<'VARS'
name          = "chicago"
stage         = "production"
image         = "registry.example.org/crimepatterns"
image_digest  = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
storage_class = "shared"
workers       = 6
hosts         = ["one.example.org"]
VARS
    quietly terraform apply -input=false -auto-approve -var-file=example.tfvars
    terraform plan -input=false -detailed-exitcode -var-file=example.tfvars >/dev/null || fail "a second plan wants changes"
    terraform output -raw overlay >"$WORK/overlay.yaml"
    terraform output -raw inventory >"$WORK/inventory.ini"
  )
  ok "terraform: the core validates, its tests pass, it applies, and a second plan changes nothing"
  grep -qx one.example.org "$WORK/inventory.ini" || fail "the inventory lacks the host"
  ok "terraform: $(grep -c '^run ' "$folder/tests/core.tftest.hcl") tests; the overlay and the inventory are rendered"
}

kubernetes_part() {
  local folder=deployment/infrastructure/kubernetes
  command -v kubectl >/dev/null || { skip "kubectl is not installed"; return; }
  mkdir -p "$WORK/rendered"
  for overlay in workstation production; do
    kubectl kustomize "$folder/overlays/$overlay" >"$WORK/rendered/$overlay.yaml" || fail "kustomize $overlay"
  done
  if [ -s "$WORK/overlay.yaml" ]; then
    cp -r "$folder" "$WORK/kubernetes"
    mkdir "$WORK/kubernetes/overlays/made"
    cp "$WORK/overlay.yaml" "$WORK/kubernetes/overlays/made/kustomization.yaml"
    cp "$folder/overlays/production/city.yaml" "$WORK/kubernetes/overlays/made/"
    kubectl kustomize "$WORK/kubernetes/overlays/made" >"$WORK/rendered/made.yaml" || fail "kustomize of Terraform's overlay"
    grep -q 'replicas: 6' "$WORK/rendered/made.yaml" || fail "Terraform's overlay does not count its workers"
  fi
  for version in 1.30 1.33; do
    quietly "$BIN/kubernetes-validate" --strict -k "$version" "$WORK"/rendered/*.yaml
  done
  ok "kubernetes: $(cat "$WORK"/rendered/*.yaml | grep -c '^kind:') objects of $(find "$WORK/rendered" -type f | wc -l) overlays are valid for 1.30 and 1.33, strictly"
  # A workstation's image is the one built there: it has neither digest nor registry.
  mkdir "$WORK/scanned" && cp "$WORK"/rendered/[!w]*.yaml "$WORK/scanned"
  scan kubernetes "$WORK/scanned"
}

container_part() {
  quietly "$BIN/hadolint" deployment/model_server/Dockerfile
  ok "hadolint finds nothing"
}

workflows_part() {
  quietly "$BIN/zizmor" --offline --quiet .
  ok "zizmor finds nothing in the workflows"
}

wheel() { # VERSION LINE: a wheel of that version with one more line of code
  local copy="$WORK/wheel-$1"
  mkdir -p "$copy"
  cp -r pyproject.toml README.md LICENSE config src "$copy"
  mkdir -p "$copy/deployment/app" && cp -r deployment/app/templates deployment/app/static "$copy/deployment/app/"
  printf '"""Version of the product."""\n\n__all__ = ["__version__"]\n\n__version__ = "%s"\n%s\n' "$1" "$2" >"$copy/src/crimepatterns/version.py"
  quietly "$PYTHON" -m pip wheel --quiet --no-deps --no-build-isolation -w "$WORK/wheels" "$copy"
}

play() { # WHAT ARGUMENTS...: run the playbook, leave its report in $WORK/played
  local what=$1
  shift
  (cd deployment/infrastructure/ansible && "$BIN/ansible-playbook" -i "$WORK/hosts.ini" playbook.yml "$@") >"$WORK/played" 2>&1 ||
    { [ "$what" = refused ] && return 0; tail -n 60 "$WORK/played" >&2; fail "ansible: $what"; }
  [ "$what" != refused ] || fail "a broken release was deployed"
}
changed() { grep -oP 'changed=\K\d+' "$WORK/played" | head -n 1; }
version() { curl -fsS "http://127.0.0.1:${PORTS[0]}/health"; }

ansible_part() {
  export PATH="$BIN:$PATH"
  (cd deployment/infrastructure/ansible && quietly "$BIN/ansible-lint" --offline --strict)
  ok "ansible-lint finds nothing"
  [ "$(id -u)" -eq 0 ] || { skip "Ansible deploys to this machine only as root"; return; }
  local host_python=${HOST_PYTHON:-/usr/bin/python3}
  "$host_python" -m ensurepip --version >/dev/null 2>&1 || host_python=$("$PYTHON" -c 'import sys; print(sys._base_executable)')
  # The role's own user is not made on a machine that only tries it; nobody can read a home folder's Python.
  local user=nobody group=nogroup
  setpriv --reuid nobody --regid nogroup --clear-groups "$host_python" -c '' 2>/dev/null || { user=root; group=root; }
  cat >"$WORK/hosts.ini" <<HOSTS
[crimepatterns]
localhost ansible_connection=local ansible_python_interpreter=$BIN/python
[crimepatterns:vars]
crimepatterns_become=false
crimepatterns_manage=script
crimepatterns_prefix=$WORK/opt
crimepatterns_state=$WORK/state
crimepatterns_etc=$WORK/etc
crimepatterns_user=$user
crimepatterns_group=$group
crimepatterns_create_user=false
crimepatterns_install_packages=false
crimepatterns_python=$host_python
crimepatterns_health_tries=40
crimepatterns_services=[{"name": "page", "application": "app", "module": "main:app", "port": ${PORTS[0]}}, {"name": "model-server", "application": "model_server", "module": "app:app", "port": ${PORTS[1]}}]
HOSTS
  wheel 9.0.0 ''
  wheel 9.0.1 ''
  wheel 9.0.2 'raise SystemExit("broken on purpose")'
  local one two broken began
  one=("$WORK"/wheels/*-9.0.0-*.whl) two=("$WORK"/wheels/*-9.0.1-*.whl) broken=("$WORK"/wheels/*-9.0.2-*.whl)

  began=$SECONDS
  play "first deployment" -e crimepatterns_wheel="${one[0]}"
  version | grep -q '"9.0.0"' || fail "9.0.0 does not answer"
  ok "ansible: deployed as $user in $((SECONDS - began)) s, $(changed) changes"
  play "second run" -e crimepatterns_wheel="${one[0]}"
  [ "$(changed)" = 0 ] || { grep -B1 -A1 '^changed' "$WORK/played" >&2; fail "the second run changed $(changed)"; }
  ok "ansible: a second run changes nothing"
  began=$SECONDS
  play upgrade -e crimepatterns_wheel="${two[0]}"
  version | grep -q '"9.0.1"' || fail "9.0.1 does not answer"
  ok "ansible: upgraded in $((SECONDS - began)) s"
  play refused -e crimepatterns_wheel="${broken[0]}" -e crimepatterns_health_tries=8
  version | grep -q '"9.0.1"' || fail "the release before does not answer after a broken one"
  grep -q 'did not answer' "$WORK/played" || { tail -n 30 "$WORK/played" >&2; fail "it is not said why"; }
  ok "ansible: a release that does not answer is refused, and the one before answers again"
  play rollback --tags rollback -e crimepatterns_wheel=
  version | grep -q '"9.0.0"' || fail "9.0.0 does not answer after going back"
  ok "ansible: gone back to the release before"
  [ "$("$CONTROL" status | grep -c ' runs$')" -eq 2 ] || fail "not both servers run"
  "$CONTROL" stop >/dev/null
  "$CONTROL" status | grep -q 'page does not run' || fail "the page does not stop"
  ok "ansible: the servers stop"
}

need checks
BIN=$(cd "$CHECKS/checks/bin" && pwd)
for part in ${*:-terraform kubernetes container workflows ansible}; do "${part}_part"; done
echo "$passed passed, 0 failed, $skipped skipped"
