#!/bin/sh
# tests/vm/test_kernel.sh - the kernel tests once more, on a kernel with whole cgroup v2 and nothing else on it.
#
# Its clock counts instructions: deadlines and shares do not tell how busy the host is.
# Without test_layers: it needs a distribution's tar and zstd, and no cgroup.
set -u
cd "$(dirname "$0")/../.."
programs=""
for source in tests/kernel/test_*.c; do
	program=build/${source%.c}
	case $program in
	*/test_layers) ;;
	*) [ -x "$program" ] && programs="$programs $program" || { echo "$program is not built"; exit 1; } ;;
	esac
done
[ -n "$programs" ] || { echo "there are no kernel tests"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/case/build/images"
cat >"$work/case/run" <<'END'
#!/bin/sh
# A file system of its own for /tmp: overlayfs takes no upper directory on an initramfs.
export LP_TEST_VM=1 LP_TEST_TIMEOUT=120
status=0
for program in kernel/test_*; do
	echo "== ${program#kernel/}"
	$program || { rc=$?; [ $rc = 77 ] || { echo "STATUS $program $rc"; status=1; }; }
done
exit $status
END
chmod +x "$work/case/run"
mkdir "$work/case/kernel"
{ tools/test-images && tools/nodejs-app; } || exit 1
cp build/images/busybox.tar build/images/busybox-docker.tar build/images/nodejs-app.tar "$work/case/build/images/"
for program in $programs; do
	strip -o "$work/case/kernel/$(basename "$program")" "$program" || exit 1
done
tests/vm/run --clock 0 --memory 1536 --timeout 580 "$work/case" "$work/out"
rc=$?
grep -E '^(== |not ok |#|STATUS)' "$work/out/console" 2>/dev/null
echo "$(grep -c '^ok ' "$work/out/console") passed, $(grep -c '^not ok ' "$work/out/console") failed," \
	"$(grep -c '^ok .*# SKIP' "$work/out/console") of the passed were skipped:"
grep '# SKIP' "$work/out/console"
exit $rc
