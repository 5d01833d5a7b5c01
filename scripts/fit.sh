#!/usr/bin/env bash
# Train, validate and test: the report's best network on CIFAR-10 (configs/report/q4_best.yaml) unless --config names another.
# Usage: scripts/fit.sh [arguments of cifar-mlp fit], e.g. scripts/fit.sh --config configs/report/q4_two_layer.yaml
set -euo pipefail
# shellcheck source=scripts/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
exec "$python" scripts/fit_and_test.py "$@"
