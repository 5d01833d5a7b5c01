#!/usr/bin/env bash
# Run the tests. Usage: scripts/test.sh [pytest arguments], e.g. scripts/test.sh -m "not slow"
# Without arguments: all tests but the long ones (-m long), in three processes of one thread each.
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
if [ $# = 0 ]; then
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
    set -- --numprocesses 3 --dist loadfile --no-loadscope-reorder -m "not long"
fi
exec "$python" -m pytest --durations 15 --durations-min 2 "$@"
