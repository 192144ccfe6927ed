#!/bin/sh
# Put Debian's promtool into .venv/tools, without being root: sh tests/tools/get_promtool.sh
set -eu
target="$(cd "$(dirname "$0")/../.." && pwd)/.venv/tools"
test -x "$target/promtool" && exit 0
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
test "$(id -u)" = 0 && apt-get update -qq || true
apt-get download -q prometheus
dpkg -x prometheus_*.deb .
mkdir -p "$target"
mv usr/bin/promtool "$target/promtool"
"$target/promtool" --version
