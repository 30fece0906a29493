#!/usr/bin/env bash
# make_venv.sh FOLDER PYTHON REQUIREMENT: a virtual environment with the project installed from the pinned versions.
set -euo pipefail
folder=$1 python=$2 requirement=$3

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
  echo "$python is not Python 3.11 or newer; install it, or name another: make PYTHON=python3.12 ..." >&2
  exit 1
}

# Debian and Ubuntu ship Python without venv and pip.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  version=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Python's venv module is missing; installing $version ..."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$version" >/dev/null
  else
    echo "Python's venv module is missing; install it with: sudo apt-get install $version" >&2
    exit 1
  fi
fi

echo "Installing into $folder ..."
rm -rf "$folder"
"$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --constraint constraints.txt --editable "$requirement"
touch "$folder/ready"
