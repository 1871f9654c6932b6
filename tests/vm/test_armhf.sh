#!/bin/sh
# tests/vm/test_armhf.sh - limpet of armhf on a kernel of armhf (vm/foreign.sh).
set -u
cd "$(dirname "$0")/../.."
arch=armhf
. tests/vm/foreign.sh
