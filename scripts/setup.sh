# Sourced by fit.sh and test.sh. Leaves $python: an interpreter that has this package and everything it needs.
# Uses the active virtual environment if there is one, adding what is missing; else makes .venv.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

stop() { echo "$1" >&2; exit 1; }

# One at a time: of two scripts started together the second waits for the first to finish installing.
if command -v flock > /dev/null && [ -w . ]; then
    exec 9> .venv.lock
    flock 9
fi

if [ -n "${VIRTUAL_ENV:-}" ]; then
    environment=$VIRTUAL_ENV
else
    environment=$PWD/.venv
    # No pip: a first run was interrupted here, so start over.
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
        echo "creating $environment with $("$found" --version)"
        "$found" -m venv --clear "$environment" || stop "could not create the virtual environment $environment"
    fi
fi
python=$environment/bin/python
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    stop "Python 3.11 or newer is needed; $environment has $("$python" --version 2>&1)"

# Skip the installation unless the requirements changed or the clone moved.
stamp=$environment/.cifar-mlp-installed
wanted=$(cat requirements.txt pyproject.toml; pwd)
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    echo "installing requirements.txt into $environment (some minutes and 5 GB the first time)"
    # Without build isolation nothing is downloaded if everything is there already; it needs setuptools up front.
    # Python compiles what it imports; compiling all files of all packages here took half a minute.
    pip_install() { "$python" -m pip install --quiet --disable-pip-version-check --no-compile "$@"; }
    pip_install "setuptools>=77" && pip_install --no-build-isolation -r requirements.txt ||
        stop "installing requirements.txt failed"
    printf '%s\n' "$wanted" > "$stamp"
fi
exec 9>&-
