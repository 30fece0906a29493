#!/usr/bin/env bash
# Programs the tests run against for real: Chromium opens report and page, DCMTK reads and writes DICOM as a peer, PostgreSQL keeps the
# service's rows. Fails when they cannot be had.
set -euo pipefail
missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v dcmdump >/dev/null || missing+=(dcmtk)
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
[ ${#missing[@]} = 0 ] && exit 0
root=()
[ "$(id -u)" = 0 ] || root=(sudo)
echo "Installing ${missing[*]} ..."
"${root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || {
  echo "The tests need ${missing[*]}; install them with: sudo apt-get install ${missing[*]}" >&2
  exit 1
}
