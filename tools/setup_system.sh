#!/usr/bin/env bash
# Install the system programs that tests use, where that can be done without asking: as root on Debian.
set -euo pipefail
declare -A program=([chromium]=chromium [postgresql]=/usr/lib/postgresql [prometheus]=prometheus)
# postgresql-postgis is Debian's name for the extension that fits its own version of the server.
program[postgresql-postgis]='/usr/share/postgresql/*/extension/postgis.control'
missing=()
for package in "${!program[@]}"; do
  where=${program[$package]}
  command -v "$where" >/dev/null 2>&1 || compgen -G "$where" >/dev/null || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "Installing ${missing[*]} ..."
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  if ! { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "Could not install ${missing[*]}: the tests that need them will be skipped." >&2
  fi
  rm -f "$log"
else
  echo "Not installed: ${missing[*]} (needs root on Debian). The tests that use them will be skipped."
fi
