#!/bin/sh
# tests/strangers/test_cycles.sh - made and removed, again and again: pods of a folder's manifests by an agent, containers by limpet-oci. Nothing
# is left, and the agent is no larger than it was.
#
# Env     PODS=10000 CONTAINERS=10000 for the full count; SECONDS_MAX ends each of them early, and says how far it came
. "$(dirname "$0")/lib.sh"
enter "$@"
PODS=${PODS:-200}
CONTAINERS=${CONTAINERS:-200}
SECONDS_MAX=${SECONDS_MAX:-86400}
BATCH=25
[ -x build/limpet-oci ] || skip "build/limpet is not built"
[ -e build/images/busybox.tar ] || tools/test-images || skip "no busybox image"
place_standalone
limpet=$dir/limpet
cp build/limpet "$limpet"	# a build meanwhile changes nothing
ln -s limpet "$dir/limpet-oci"
mkdir -p "$dir/next"

# Everything that could be left, as text.
left() {
	find /run "$dir/data/pods" "$dir/data/layers" -mindepth 1 \( -path "*/layers/*/*" -prune -o -print \) 2>/dev/null | grep -v '\.old$' | sort
	find "$root/$LP_STORY_CGROUP" -type d | sort
	sed 's/.*: //; s/^[0-9]* [0-9]* [0-9:]* //' /proc/self/mountinfo | sort
	ip -o link | sed 's/^[0-9]*: //; s/ .*//' | sort
	nft list ruleset | grep -c . | sed 's/^/rules /'
	ls /proc/"${agent:-self}"/fd | wc -l
	pgrep -f '^limpet (keeper|prober)' | wc -l
	pgrep -xf 'sleep 4711' | wc -l
}
same() {
	left >"$dir/left"
	cmp -s "$dir/before" "$dir/left"
}
rss() {	# of the agent, private and dirty, in KiB
	awk '/^Private_Dirty|^Anonymous/ { sum[$1] += $2 } END { print sum["Anonymous:"] }' "/proc/$agent/smaps_rollup"
}
no_pods() {
	[ -z "$(ls "/run/story/pods")" ] && ! pgrep -f '^limpet keeper' >/dev/null
}

# ---- containers
if [ "$CONTAINERS" -gt 0 ]; then
	bundle=$dir/bundle
	mkdir -p "$bundle/rootfs" "$dir/image" "$dir/state"
	tar -C "$dir/image" -xf build/images/busybox.tar
	for blob in "$dir"/image/blobs/sha256/*; do
		tar -tf "$blob" >/dev/null 2>&1 && tar -C "$bundle/rootfs" -xf "$blob" && break
	done
	(
		cd "$bundle" && "$dir/limpet-oci" spec && python3 - "/$LP_STORY_CGROUP/case" <<'PY'
import json, sys
c = json.load(open("config.json"))
c["process"]["terminal"] = False
c["process"]["args"] = ["true"]
c["root"]["readonly"] = False
c["linux"]["cgroupsPath"] = sys.argv[1]
json.dump(c, open("config.json", "w"))
PY
	) || exit 1
	cycle() {
		"$dir/limpet-oci" --root "$dir/state" create --bundle "$bundle" a >/dev/null 2>"$dir/why" </dev/null &&
			"$dir/limpet-oci" --root "$dir/state" start a 2>"$dir/why" &&
			"$dir/limpet-oci" --root "$dir/state" delete --force a 2>"$dir/why" || { echo "cycle $1: $(cat "$dir/why")" >>"$dir/bad"; }
	}
	cycle 0
	left >"$dir/before"
	began=$(date +%s)
	for i in $(seq "$CONTAINERS"); do
		cycle "$i"
		[ $((i % 50)) != 0 ] || [ $(($(date +%s) - began)) -lt "$SECONDS_MAX" ] || break
	done
	CONTAINERS=$i
	echo "-- $CONTAINERS containers in $(($(date +%s) - began)) s"
	check "every container was made, started and deleted" sh -c "! { [ -e '$dir/bad' ] && head '$dir/bad'; }"
	wait_until 2 "nothing of $CONTAINERS containers is left" same || diff "$dir/before" "$dir/left"
	check "no state either" test -z "$(ls -A "$dir/state")"
fi

# ---- pods
start_standalone
wait_until 10 "the agent is ready" grep -qx ready "$dir/up.log"
check "the image is loaded" "$limpet" image load build/images/busybox.tar --data-dir "$dir/data"

# A batch comes at once and goes at once, when all its containers have run.
batch() {
	for j in $(seq "$BATCH"); do
		cat <<YAML
---
apiVersion: v1
kind: Pod
metadata: {name: pod-$1-$j}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: "limpet.local/busybox:latest", command: [sleep, "4711"]}
YAML
	done >"$dir/next/pods.yaml"
	mv "$dir/next/pods.yaml" "$dir/manifests/pods.yaml"
	wait_until 60 "batch $1 runs" all_run || return 1
	rm "$dir/manifests/pods.yaml"
	wait_until 60 "batch $1 is gone" no_pods || return 1
}
all_run() {
	[ "$(pgrep -xf 'sleep 4711' | wc -l)" = "$BATCH" ]
}
# The first batches make what stays: buffers, ids, the bridge.
for i in 1 2 3 4; do batch "warm-$i" || break; done
sleep 6		# a look for unused images comes five seconds after
left >"$dir/before"
small=$(rss)
began=$(date +%s)
for i in $(seq $(((PODS + BATCH - 1) / BATCH))); do
	batch "$i" || break
	[ $((i % 40)) != 0 ] || echo "-- $((i * BATCH)) pods, agent $(rss) KiB"
	[ $(($(date +%s) - began)) -lt "$SECONDS_MAX" ] || break
done
PODS=$((i * BATCH))
echo "-- $PODS pods in $(($(date +%s) - began)) s"
wait_until 8 "nothing of $PODS pods is left" same || diff "$dir/before" "$dir/left"
sleep 6		# as before
large=$(rss)
echo "-- agent: $small KiB before, $large KiB after $PODS pods"
check "the agent has grown by 256 KiB at most" test $((large - small)) -le 256
kill "$agent"
wait "$agent" 2>/dev/null
check "the instance is taken down" "$limpet" down --data-dir "$dir/data" --cgroup-root "$root/$LP_STORY_CGROUP" --instance story
finish
