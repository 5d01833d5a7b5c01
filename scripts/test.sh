#!/usr/bin/env bash
# Run the tests. Usage: scripts/test.sh [pytest arguments], e.g. scripts/test.sh -m "not slow"
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
if [ $# -gt 0 ]; then
    exec "$python" -m pytest "$@"
fi
# All of them: two processes, a thread each.
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} exec "$python" -m pytest --numprocesses 2 --dist loadfile
