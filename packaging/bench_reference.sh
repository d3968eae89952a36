#!/usr/bin/env bash
# Makes the environment that `quietroom-convert bench --reference-env DIR` compares with: PEFT's merge and llama.cpp's
# own converter. Never installs anything that is not pinned by hash.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1
version=$(sed -n 's/^llama-cpp-python==\([^ ]*\).*/\1/p' packaging/locks/app.txt)
[ -x "$target/bin/python" ] || "${PYTHON:-python3}" -m venv "$target"
pip() { "$target/bin/python" -m pip --disable-pip-version-check "$@"; }
pip install -q --require-hashes -r packaging/locks/pip.txt
pip install -q --require-hashes --no-deps -r packaging/locks/bench-reference.txt
# The converter script lies in the source distribution whose library is installed, checked by the hash of the lock.
if [ ! -f "$target/llama.cpp/convert_hf_to_gguf.py" ]; then
    grep -A 3 "^llama-cpp-python==$version" packaging/locks/app.txt > "$target/source.txt"
    pip download -q --require-hashes --no-deps --no-binary :all: --no-build-isolation --dest "$target" -r "$target/source.txt" \
        2> "$target/download.log" || true
    tar -xzf "$target/llama_cpp_python-$version.tar.gz" -C "$target" --strip-components=2 \
        "llama_cpp_python-$version/vendor/llama.cpp"
fi
cp packaging/three_steps.py "$target/three_steps.py"
