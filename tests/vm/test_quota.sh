#!/bin/sh
# tests/vm/test_quota.sh - the size of writable layers kept by the file system: project quota of an ext4 on a disk of its own.
set -u
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
command -v mkfs.ext4 >/dev/null || { echo "no mkfs.ext4 (package e2fsprogs)"; exit 77; }
program=build/tests/kernel/test_agent_quota
[ -x $program ] || { echo "$program is not built"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
truncate -s 128M "$work/disk"
mkfs.ext4 -q -O quota,project -E quotatype=prjquota "$work/disk" || exit 1
mkdir -p "$work/case"
strip -o "$work/case/test_agent_quota" $program || exit 1
cat >"$work/case/run" <<'END'
#!/bin/sh
mkdir -p /quota && mount -t ext4 -o prjquota /dev/vda /quota || exit 1
LP_TEST_QUOTA=/quota /lab/test_agent_quota
END
chmod +x "$work/case/run"
tests/vm/run --cpus 1 --memory 256 --timeout 60 --disk "$work/disk" "$work/case" "$work/out"
rc=$?
grep -E '^(ok |not ok |#)' "$work/out/console" 2>/dev/null
grep -q '# SKIP' "$work/out/console" 2>/dev/null && rc=1
exit $rc
