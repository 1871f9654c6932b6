#!/bin/sh
# tests/strangers/test_unclean.sh - a device that lost its power: in the next boot layers are read once more before pods run on them; one that
# changed on the disk goes with its image, the pod says what it waits for, and the image loaded again brings it back.
. "$(dirname "$0")/lib.sh"
enter "$@"
place_standalone

runs() {
	pgrep -f '^sleep 4711$'
}
# The next boot: nothing runs, memory is empty, and its id is another one.
reboot() {
	[ -z "$agent" ] || { kill -9 "$agent"; wait "$agent" 2>/dev/null; }
	pgrep -P 1 -f '^limpet (keeper|holder)' | xargs -r kill -9
	echo 1 >"$root/$LP_STORY_CGROUP/story/cgroup.kill"
	wait_until 5 "nothing runs after the power cut" sh -c "! pgrep -f '^sleep 4711\$' && ! pgrep -f '^limpet '"
	wait_until 5 "its cgroups can be removed" sh -c "find '$root/$LP_STORY_CGROUP/story' -depth -type d -exec rmdir {} +"
	umount -R /run 2>/dev/null
	mount -t tmpfs run /run
	mkdir -p /run/netns
	cat /proc/sys/kernel/random/uuid >"$dir/boot_id"
	mountpoint -q /proc/sys/kernel/random/boot_id && umount /proc/sys/kernel/random/boot_id
	mount --bind "$dir/boot_id" /proc/sys/kernel/random/boot_id
	: >"$dir/up.log"
	agent=
}
cat >"$dir/manifests/pod.yaml" <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: pod}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: "limpet.local/busybox:latest", command: [sleep, "4711"]}
YAML
check "the image is loaded" "$limpet" image load build/images/busybox.tar --data-dir "$dir/data"
start_standalone
wait_until 10 "the pod runs" runs

reboot
start_standalone
wait_until 10 "a sound layer is checked and used" runs
checked() {
	find /run/story -path '*/checked.*' -type f | grep -c .
}
check "the check is remembered for this boot" test "$(checked)" = 1

reboot
program=$(find "$dir/data/layers" -path '*/bin/busybox' -type f | head -n1)
check "there is a layer" test -n "$program"
printf 'x' | dd of="$program" bs=1 seek=4096 conv=notrunc 2>/dev/null
start_standalone
wait_until 10 "the damage is found" grep -q "a layer is damaged on disk" "$dir/up.log"
check "nothing ran on it" sh -c "! pgrep -f '^sleep 4711\$'"
wait_until 10 "the pod says what it waits for" grep -q 'reason=ImagePullBackOff' "$dir/up.log"
check "the layer is gone" test ! -e "$program"
check "the image is loaded again" "$limpet" image load build/images/busybox.tar --data-dir "$dir/data"
wait_until 10 "and runs" runs

# A good end leaves no doubt.
kill "$agent"
wait "$agent"
agent=
reboot
start_standalone
wait_until 10 "the pod runs after a good end" runs
check "without a check" test "$(checked)" = 0
kill "$agent"
wait "$agent"
check "the instance is taken down" "$limpet" down --data-dir "$dir/data" --cgroup-root "$root/$LP_STORY_CGROUP" --instance story
finish
