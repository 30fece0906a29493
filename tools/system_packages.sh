#!/usr/bin/env bash
# Programs the tests run against for real: Chromium opens the report, DCMTK reads and writes DICOM as a peer. Fails when they cannot be had.
set -euo pipefail
missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v dcmdump >/dev/null || missing+=(dcmtk)
[ ${#missing[@]} = 0 ] && exit 0
root=()
[ "$(id -u)" = 0 ] || root=(sudo)
echo "Installing ${missing[*]} ..."
"${root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || {
  echo "The tests need ${missing[*]}; install them with: sudo apt-get install ${missing[*]}" >&2
  exit 1
}
