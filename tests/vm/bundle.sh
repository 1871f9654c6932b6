# tests/vm/bundle.sh - bundles for limpet-oci in the guest, which has no python: made here. Sourced with $work set; they lie in $work/case.
#
# Use     bundle NAME PYTHON COMMAND...: statements about c (the config), p (its process), l (linux), m (mounts); $every_bundle comes before
mkdir -p "$work/case/rootfs" "$work/image" "$work/case/bundles"
tar -C "$work/image" -xf build/images/busybox.tar || exit 1
for blob in "$work"/image/blobs/sha256/*; do
	tar -tf "$blob" >/dev/null 2>&1 && tar -C "$work/case/rootfs" -xf "$blob" && break
done

bundle() {
	name=$1 statements=$2
	shift 2
	mkdir -p "$work/case/bundles/$name"
	[ -e "$work/config.json" ] || build/limpet-oci spec --bundle "$work" || exit 1
	python3 - "$work/config.json" "$work/case/bundles/$name" "$every_bundle
$statements" "$@" <<'PY' || exit 1
import json, os, sys
c = json.load(open(sys.argv[1]))
p, l, m = c["process"], c["linux"], c["mounts"]
p["terminal"] = False
p["args"] = sys.argv[4:]
c["root"] = {"path": "/lab/rootfs", "readonly": False}
l["cgroupsPath"] = "/oci/" + os.path.basename(sys.argv[2])
exec(sys.argv[3])
json.dump(c, open(sys.argv[2] + "/config.json", "w"))
PY
}
