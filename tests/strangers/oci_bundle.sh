# tests/strangers/oci_bundle.sh - for the stories of limpet-oci: a bundle of busybox and words to change and look at it. Source it after enter.
#
# Use     config "python about c, p, l, m" COMMAND...; o VERB ...; check ...; a story ends with run_cases
# Env     LIMPET_OCI_CASES  names of cases to run alone
[ -x build/limpet-oci ] || skip "build/limpet-oci is not built"
[ -e build/images/busybox.tar ] || tools/test-images || skip "no busybox image"
oci=$PWD/build/limpet-oci
here=$PWD
bundle=$dir/bundle
state=$dir/state
export LC_ALL=C
# Some machines have a script at this name that looks for the interpreter each time.
python=$(python3 -c 'import sys; print(sys.executable)')
python3() {
	"$python" "$@"
}

# ---- a bundle of busybox ---------------------------------------------------------------------------------------------
mkdir -p "$bundle/rootfs" "$dir/image"
tar -C "$dir/image" -xf build/images/busybox.tar
for blob in "$dir"/image/blobs/sha256/*; do
	tar -tf "$blob" >/dev/null 2>&1 && tar -C "$bundle/rootfs" -xf "$blob" && break
done
[ -x "$bundle/rootfs/bin/busybox" ] || { echo "no busybox in the image"; exit 1; }
cd "$bundle" || exit 1

o() {
	"$oci" --root "$state" "$@"
}
# A fresh config.json without a terminal; $1: python statements about c, then the command's words.
config() {
	rm -f config.json
	o spec || exit 1
	statements=$1
	shift
	python3 - "$statements" "$LP_STORY_CGROUP" "$@" <<'PY' || exit 1
import json, sys
c = json.load(open("config.json"))
p = c["process"]
l = c["linux"]
m = c["mounts"]
p["terminal"] = False
c["root"]["readonly"] = False
l["cgroupsPath"] = "/" + sys.argv[2] + "/case"
if sys.argv[3:]:
    p["args"] = sys.argv[3:]
exec(sys.argv[1])
json.dump(c, open("config.json", "w"))
PY
}
# field STATEFIELD CONTAINER
field() {
	o state "$2" 2>/dev/null | python3 -c "import json, sys; print(json.load(sys.stdin)['$1'])"
}
is() {
	test "$(field status "$2")" = "$1"
}
# status N command...: that exit status
status() {
	wanted=$1
	shift
	"$@" >"$dir/status" 2>&1
	got=$?
	[ "$got" = "$wanted" ] || { echo "status $got"; cat "$dir/status"; return 1; }
}
no_residue() {
	[ -z "$(ls -A "$state" 2>/dev/null)" ] && [ ! -d "$(cgroup_root)/$LP_STORY_CGROUP/case" ]
}

# Every function of the story named case_*, in order.
run_cases() {
	cases=${LIMPET_OCI_CASES:-$(grep -o '^case_[a-z_0-9]*' "$story")}
	for name in $cases; do
		before=$failures
		"$name"
		o delete -f --regex '.*' >/dev/null 2>&1
		[ "$failures" = "$before" ] || echo "^^^ $name"
	done
	echo "$(echo "$cases" | wc -w) cases"
	cd "$here" && finish
}
