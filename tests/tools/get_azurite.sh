#!/bin/sh
# Put Azurite, which serves Azure's blobs, into .venv/tools: sh tests/tools/get_azurite.sh
set -eu
target="$(cd "$(dirname "$0")/../.." && pwd)/.venv/tools/azurite"
test -x "$target/node_modules/.bin/azurite-blob" && exit 0
mkdir -p "$target"
npm install --fetch-retries=0 --fetch-timeout=20000 --silent --no-audit --no-fund --ignore-scripts --prefix "$target" azurite@3
