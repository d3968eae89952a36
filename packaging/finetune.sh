#!/usr/bin/env bash
# Makes the environment that `make safety-train` trains in. Pinned by hash but for torch, whose processor-only build has
# another hash wherever it comes from. Never part of the program.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1
[ -x "$target/bin/python" ] || "${PYTHON:-python3}" -m venv "$target"
pip() { "$target/bin/python" -m pip --disable-pip-version-check "$@"; }
pip install -q --require-hashes -r packaging/locks/pip.txt
pip install -q --require-hashes --no-deps -r packaging/locks/finetune.txt
pip install -q --no-deps "torch==2.13.0"
