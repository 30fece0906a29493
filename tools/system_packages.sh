#!/usr/bin/env bash
# Programs the tests run against for real: Chromium opens report and page, DCMTK reads and writes DICOM as a peer, PostgreSQL keeps the
# service's rows, nginx stands in front of it. Fails when they cannot be had.
set -euo pipefail
missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v dcmdump >/dev/null || missing+=(dcmtk)
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
[ ${#missing[@]} = 0 ] && exit 0
root=()
[ "$(id -u)" = 0 ] || root=(sudo)
echo "Installing ${missing[*]} ..."
"${root[@]}" apt-get update -qq
# The tests start their own servers; Debian's shall not start one on port 80 or 5432 of this machine (policy-rc.d is Debian's way to say so).
if [ ! -e /usr/sbin/policy-rc.d ]; then
  trap '"${root[@]}" rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee /usr/sbin/policy-rc.d >/dev/null
  "${root[@]}" chmod 755 /usr/sbin/policy-rc.d
fi
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || {
  echo "The tests need ${missing[*]}; install them with: sudo apt-get install ${missing[*]}" >&2
  exit 1
}
