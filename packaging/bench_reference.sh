#!/usr/bin/env bash
# Makes the environment that `quietroom-convert bench --reference-env DIR` compares with: PEFT's merge, and the
# converter of the very llama.cpp whose library is installed. Linux on x86-64 with Python 3.11. Pinned by hash but for
# torch, whose processor-only build has another hash wherever it comes from. Never part of the program.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1
torch=2.13.0
version=$(sed -n 's/^llama-cpp-python==\([^ ]*\).*/\1/p' packaging/locks/app.txt)
[ -x "$target/bin/python" ] || "${PYTHON:-python3}" -m venv "$target"
pip() { "$target/bin/python" -m pip --disable-pip-version-check "$@"; }
pip install -q --require-hashes -r packaging/locks/pip.txt
pip install -q --require-hashes --no-deps -r packaging/locks/bench-reference.txt
pip install -q --no-deps "torch==$torch"
if [ ! -f "$target/llama.cpp/convert_hf_to_gguf.py" ]; then
    grep -A 1 "^llama-cpp-python==$version" packaging/locks/app.txt > "$target/source.txt"
    PATH="$(cd "${VENV:-.venv}" && pwd)/bin:$PATH" "${VENV:-.venv}/bin/python" -m pip --disable-pip-version-check download -q --require-hashes --no-deps \
        --no-binary :all: --no-build-isolation --dest "$target" -r "$target/source.txt"
    tar -xzf "$target/llama_cpp_python-$version.tar.gz" -C "$target" --strip-components=2 \
        "llama_cpp_python-$version/vendor/llama.cpp"
fi
cp packaging/three_steps.py "$target/three_steps.py"
echo "bench-reference: done; quietroom-convert bench --reference-env $target" >&2
