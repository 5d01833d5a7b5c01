# Sourced by fit.sh and test.sh: leaves $python, an interpreter with everything of requirements.txt and this package.
# An active virtual environment is used as it is, and only given what it lacks; else .venv is made.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

stop() { echo "$1" >&2; exit 1; }

if [ -n "${VIRTUAL_ENV:-}" ]; then
    environment=$VIRTUAL_ENV
else
    environment=$PWD/.venv
    # One that was interrupted while being made has no pip yet, and is made anew.
    if ! "$environment/bin/python" -c 'import pip' 2>/dev/null; then
        found=
        for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
            if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
                found=$candidate
                break
            fi
        done
        [ -n "$found" ] || stop "Python 3.11 or newer is needed; found $("${PYTHON:-python3}" --version 2>&1 || echo none). Install it, or name it: PYTHON=/path/to/python3.12 $0"
        "$found" -c 'import venv, ensurepip' 2>/dev/null ||
            stop "$found has no venv module; install it (on Debian and Ubuntu: the package python3-venv)"
        echo "making $environment with $("$found" --version)"
        "$found" -m venv --clear "$environment" || stop "the virtual environment $environment could not be made"
    fi
fi
python=$environment/bin/python
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    stop "Python 3.11 or newer is needed; $environment has $("$python" --version 2>&1)"

# Installing is skipped while neither the requirements nor the place of this checkout have changed.
stamp=$environment/.cifar-mlp-installed
wanted=$(cat requirements.txt pyproject.toml; pwd)
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    echo "installing requirements.txt into $environment (some minutes and 5 GB the first time)"
    "$python" -m pip install --quiet --disable-pip-version-check -r requirements.txt || stop "installing requirements.txt failed"
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . ||
        stop "installing the package failed"
    printf '%s\n' "$wanted" > "$stamp"
fi
