#!/bin/sh
# tests/vm/test_arm64.sh - limpet of arm64 on a kernel of arm64 (vm/foreign.sh).
set -u
cd "$(dirname "$0")/../.."
arch=arm64
. tests/vm/foreign.sh
