#!/bin/sh
# tests/vm/test_power_cut.sh - over two hundred power cuts under node revision, store and image import: what was acknowledged
# is there, nothing is half there, and no hand is needed. tests/vm/powercut.c says what that means.
#
# Env     LP_CUTS (220), LP_CUT_ROUNDS (8)
set -u
cd "$(dirname "$0")/../.."
cuts=${LP_CUTS:-220} rounds=${LP_CUT_ROUNDS:-8}
[ -x build/tests/vm/powercut ] || { echo "build/tests/vm/powercut is not built"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Three small images whose layers differ, so that each import unpacks and each removal deletes.
for n in 0 1 2; do
	mkdir -p "$work/layer$n/dir/sub"
	i=0
	while [ $i -lt 12 ]; do
		head -c $((3000 * (i + 1))) /dev/urandom >"$work/layer$n/dir/sub/file$i"
		i=$((i + 1))
	done
	ln -s sub/file1 "$work/layer$n/dir/link"
	tools/oci-image --name "limpet.local/cut:$n" --arch amd64 --out "$work/image$n.tar" "$work/layer$n" || exit 1
done

# 1. write, with every write and flush of the disk logged
truncate -s 48M "$work/disk"
mkfs.ext4 -q -F "$work/disk" || exit 1
cp "$work/disk" "$work/initial"
mkdir -p "$work/write" "$work/check"
cp build/tests/vm/powercut "$work/write/"
cp "$work"/image?.tar "$work/write/"
cat >"$work/write/run" <<END
#!/bin/sh
mount -t ext4 /dev/vda /mnt || exit 1
/lab/powercut write /mnt $rounds /lab/image0.tar /lab/image1.tar /lab/image2.tar || { echo WRITER-FAILED; sleep 1000; }
echo WRITER-DONE
sleep 1000
END
chmod +x "$work/write/run"
tests/vm/run --timeout 180 --disk "$work/disk" --log "$work/log" --end-at 'WRITER-(DONE|FAILED)' "$work/write" "$work/out" || exit 1
grep -q WRITER-DONE "$work/out/serial" || { tail -n 20 "$work/out/serial"; exit 1; }
# shellcheck disable=SC2046
set -- $(build/tests/vm/cutpower count "$work/log")
flushes=$2
echo "$1 log entries, $flushes flushes"
[ "$flushes" -ge $((rounds * 10)) ] || { echo "too few flushes for $rounds rounds"; exit 1; }

# 2. rebuild the disk as it may be after each cut, mount it, look. One machine does them all.
truncate -s %4096 "$work/log"
cp build/tests/vm/powercut build/tests/vm/cutpower "$work/check/"
cat >"$work/check/run" <<END
#!/bin/sh
mkdir -p /tmp/cut
mount -t tmpfs -o size=200m cut /tmp/cut
bad=0 i=0
while [ \$i -lt $cuts ]; do
	flush=\$((i * ($flushes + 1) / $cuts))
	rm -f /tmp/cut/disk
	/lab/cutpower cut /dev/vda /dev/vdb \$flush \$i /tmp/cut/disk || exit 1
	if mount -t ext4 -o loop /tmp/cut/disk /mnt; then
		result=\$(/lab/powercut check /mnt)
		status=\$?
		[ \$status = 0 ] && result2=\$(/lab/powercut check /mnt) || result2=\$result
		umount /mnt
	else
		result="BROKEN cannot be mounted" status=1
	fi
	[ \$status = 0 ] && [ "\$result" = "\$result2" ] || bad=\$((bad + 1))
	echo "CUT \$i flush \$flush status \$status \$result"
	i=\$((i + 1))
done
# the judge itself: an acknowledgement that never was must be found out
mount -t ext4 -o loop /tmp/cut/disk /mnt
printf '%s 1000 1000\n' 1000 | dd of=/mnt/ack conv=notrunc 2>/dev/null
/lab/powercut check /mnt && bad=\$((bad + 1))
echo "BAD \$bad"
[ \$bad = 0 ]
END
chmod +x "$work/check/run"
tests/vm/run --memory 1024 --timeout 480 --disk "$work/initial" --disk "$work/log" "$work/check" "$work/out"
rc=$?
grep -E '^CUT .*status [^0]' "$work/out/console" | head -20
done=$(grep -c '^CUT .*status 0 GOOD' "$work/out/console")
states=$(sed -n 's/^CUT .* GOOD //p' "$work/out/console" | sort -u | wc -l)
echo "$done of $cuts cuts left a good disk, in $states different states"
[ "$rc" = 0 ] || tail -n 10 "$work/out/serial"
[ "$done" = "$cuts" ] && [ "$states" -gt "$rounds" ] && [ "$rc" = 0 ]
