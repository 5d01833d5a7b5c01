#!/usr/bin/env bash
# Run the tests. Usage: scripts/test.sh [pytest arguments], e.g. scripts/test.sh -m "not slow"
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
exec "$python" -m pytest "$@"
