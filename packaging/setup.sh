#!/usr/bin/env bash
# Sets up all that is missing in this checkout: system packages, .venv from the lock files, the starter model.
# A second run finds its stamp and ends at once. Never installs anything that is not pinned by hash.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python=${PYTHON:-python3}
stamp=.venv/.setup-stamp
want=$(cat packaging/setup.sh packaging/no_common.cmake packaging/locks/*.txt pyproject.toml | sha256sum)
[ "$(cat "$stamp" 2>/dev/null)" = "$want" ] && exit 0

say() { printf 'setup: %s\n' "$*" >&2; }

# What the build, Qt and the tests need from Debian or Ubuntu.
packages=(g++ python3-venv xvfb strace dbus fontconfig fonts-dejavu-core libegl1 libgl1 libdbus-1-3 libfontconfig1
          libglib2.0-0 libxkbcommon0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1
          libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-xkb1)
if command -v dpkg-query >/dev/null; then
    missing=()
    for package in "${packages[@]}"; do
        dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        if [ "$(id -u)" != 0 ]; then
            say "please run this once, then start again:"
            echo "sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
            exit 2
        fi
        say "installing ${missing[*]}"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
else
    command -v g++ >/dev/null || { say "a C++ compiler (g++ or clang++) is needed; please install one and start again"; exit 2; }
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { say "Python 3.11 or newer is needed (PYTHON=... chooses one)"; exit 2; }

[ -x .venv/bin/python ] || "$python" -m venv .venv
pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }
# Debian 12's pip 23.0.1 does not keep built wheels when hashes are required, so pip comes first.
pip install -q --require-hashes -r packaging/locks/pip.txt
say "installing what is pinned; the first time this compiles llama.cpp, which takes some minutes"
pip install -q --require-hashes --no-deps -r packaging/locks/build.txt
PATH="$root/.venv/bin:$PATH" \
CMAKE_ARGS="-DLLAVA_BUILD=OFF '-DCMAKE_PROJECT_llama_cpp_INCLUDE=$root/packaging/no_common.cmake' ${CMAKE_ARGS:-}" \
    pip install -q --require-hashes --no-deps --no-build-isolation -r packaging/locks/app.txt
pip install -q --require-hashes --no-deps -r packaging/locks/starter.txt
pip install -q --no-deps --no-build-isolation -e .
echo "$want" > "$stamp"
say "done"
