#!/bin/sh
# tests/strangers/test_errors.sh - what is wrong in a manifest, in an image archive or with the disk is named in one line, ends with
# status 1, and leaves nothing half done; kubectl is told the same by its own rules.
. "$(dirname "$0")/lib.sh"
enter "$@"
for program in openssl python3 tar zstd; do
	command -v "$program" >/dev/null || skip "needs $program"
done
tools/kubectl || skip "no kubectl could be fetched"
[ -e build/images/busybox.tar ] || tools/test-images || skip "the busybox image could not be made"
start_up
PATH=$PWD/build:$PATH
export PATH
kubectl=build/kubectl/kubectl-1.32
file=$dir/manifest.yaml

objects() {
	limpet get pods,services,configmaps,namespaces -A -o name 2>/dev/null | sort
}
# one_line PATTERN command...: status 1, nothing on standard output, one line on standard error that says it
one_line() {
	pattern=$1
	shift
	"$@" >"$dir/out" 2>"$dir/err" </dev/null
	status=$?
	check "status 1: $*" test "$status" = 1
	check "one line alone: $*" test "$(wc -l <"$dir/err") $(wc -c <"$dir/out")" = "1 0"
	shows "$pattern" cat "$dir/err"
}
# refused PATTERN [PATTERN of kubectl, - for none] <MANIFEST: by both, and no object comes or goes; never behind a pipe, where the
# shell would forget what was counted
refused() {
	cat >"$file"
	before=$(objects)
	one_line "$1" limpet apply -f "$file"
	[ "${2:-}" = - ] || refuses "${2:-$1}" "$kubectl" apply -f "$file"
	check "nothing came or went: $1" test "$before" = "$(objects)"
}

# ---- manifests that cannot be read
printf 'a: [' >"$dir/said"
refused "manifest.yaml: yaml: line 2, column 1: did not find expected node content" "did not find expected node content" <"$dir/said"
printf 'kind: Pod\n\tapiVersion: v1\n' >"$dir/said"
refused "yaml: line 2, column 1: found a tab character that violates indentation" "found a tab" <"$dir/said"
printf 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: "a\000b"\n' >"$dir/said"
refused "yaml: line 4, column 11: control characters are not allowed" "control characters" <"$dir/said"
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: "a\303\050"\n' >"$dir/said"
refused "yaml: line 4, column 1[0-9]: invalid trailing UTF-8" - <"$dir/said"
head -c 100000 build/limpet >"$dir/said"
refused "line 1, column 1: control characters are not allowed" "control characters" <"$dir/said"
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: *nope\n' >"$dir/said"
refused "line 4, column 7: an alias without its anchor" "unknown anchor" <"$dir/said"
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: !!python/object:os.system {a: b}\n' >"$dir/said"
refused "line 4, column 7: tags of one's own" - <"$dir/said"
{
	echo 'a: &a ["x","x","x","x","x","x","x","x","x"]'
	before=a
	for name in b c d e f g h i; do
		echo "$name: &$name [*$before,*$before,*$before,*$before,*$before,*$before,*$before,*$before,*$before]"
		before=$name
	done
} >"$dir/said"
refused "line [67], column [0-9]+: too many values" "excessive aliasing" <"$dir/said"
{
	printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: deep}\ndata: '
	head -c 20000 /dev/zero | tr '\0' '['
} >"$dir/said"
refused "nested too deeply" "exceeded max depth" <"$dir/said"
head -c 70000000 /dev/zero | tr '\0' '#' >"$dir/said"
refused "more than 67108864 bytes" - <"$dir/said"
: >"$dir/said"
refused "no objects passed" <"$dir/said"
printf '\n---\n# nothing\n---\n' >"$dir/said"
refused "no objects passed" <"$dir/said"
printf 'only words' >"$dir/said"
refused "is no object" "invalid object" <"$dir/said"
one_line 'the path "/nowhere.yaml" does not exist' limpet apply -f /nowhere.yaml

# ---- manifests that name what there is not, or say it wrongly
printf 'apiVersion: v1\nkind: Pud\nmetadata: {name: x}\n' >"$dir/said"
refused 'no matches for kind "Pud" in version "v1"' <"$dir/said"
printf 'apiVersion: v7\nkind: Pod\nmetadata: {name: x}\n' >"$dir/said"
refused 'no matches for kind "Pod" in version "v7"' <"$dir/said"
printf 'kind: Pod\nmetadata: {name: x}\n' >"$dir/said"
refused 'manifest.yaml": .*apiVersion not set' <"$dir/said"
printf 'apiVersion: v1\nmetadata: {name: x}\n' >"$dir/said"
refused 'manifest.yaml": .*kind not set' <"$dir/said"
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 7}\n' >"$dir/said"
refused 'metadata.name must be text' 'cannot unmarshal number' <"$dir/said"
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: [x]\n' >"$dir/said"
refused 'metadata must be an object' 'cannot unmarshal array' <"$dir/said"
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {labels: {a: b}}\n' >"$dir/said"
refused 'resource name may not be empty' <"$dir/said"
pod() {	# pod NAME SPEC
	printf 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: %s\nspec: %s\n' "$1" "$2"
}
pod x '{containers: {name: c, image: a}}' >"$dir/said"
refused 'cannot unmarshal object into Go struct field PodSpec.spec.containers of type \[\]v1.Container' <"$dir/said"
pod x '{containers: [{name: c, image: a, ports: [{containerPort: "80"}]}]}' >"$dir/said"
refused 'cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32' <"$dir/said"
pod x '{containers: [{name: c, image: a, resources: {limits: {cpu: abc}}}]}' >"$dir/said"
refused 'quantities must match the regular expression' <"$dir/said"
pod x '{nope: 1, containers: [{name: c, image: a, imagee: b}]}' >"$dir/said"
refused 'unknown field "spec.(nope|containers\[0\].imagee)", unknown field "spec' <"$dir/said"
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: nowhere}\n' >"$dir/said"
refused 'namespaces "nowhere" not found' <"$dir/said"

# every fault has its path, and kubectl prints each of ours on a line of its own
pod x_Y '{restartPolicy: Sometimes, nodeName: "A B", containers: [
  {name: C, image: "", ports: [{containerPort: 70000}, {containerPort: 0}], volumeMounts: [{name: nope, mountPath: ""}]}, {name: C, image: b}]}' >"$dir/said"
refused 'Pod "x_Y" is invalid: \[metadata.name: Invalid value: "x_Y"' 'The Pod "x_Y" is invalid:' <"$dir/said"
limpet apply -f "$file" >"$dir/ours" 2>&1
"$kubectl" apply -f "$file" >"$dir/theirs" 2>&1
for path in metadata.name 'spec.restartPolicy: Unsupported value: "Sometimes"' spec.nodeName 'spec.containers\[0\].name' \
	'spec.containers\[0\].image: Required value' 'spec.containers\[0\].ports\[0\].containerPort: Invalid value: 70000' \
	'spec.containers\[0\].ports\[1\].containerPort' 'spec.containers\[0\].volumeMounts\[0\].name: Not found: "nope"' \
	'spec.containers\[0\].volumeMounts\[0\].mountPath: Required value' 'spec.containers\[1\].name: Duplicate value: "C"'; do
	shows "$path" cat "$dir/ours"
	shows "^\\* $path" cat "$dir/theirs"
done

# ---- what is there cannot be changed like that
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fixed}\nimmutable: true\ndata: {a: b}\n' >"$file"
check "an immutable object" limpet apply -f "$file"
sed 's/a: b/a: c/' "$file" >"$dir/next"
refused 'data: Forbidden: field is immutable when `immutable` is set' <"$dir/next"
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: moved, resourceVersion: "1"}\ndata: {a: c}\n' >"$dir/next"
sed 's/, resourceVersion: "1"//;s/a: c/a: b/' "$dir/next" | limpet apply -f - >/dev/null
refused 'Conflict.*Operation cannot be fulfilled on configmaps "moved": the object has been modified' 'on configmaps "moved": the object has been' <"$dir/next"
refuses 'Conflict.*"moved": the object has been modified' "$kubectl" replace -f "$dir/next"
shows '^b$' limpet get configmap moved -o 'jsonpath={.data.a}{"\n"}'
pod still '{containers: [{name: c, image: limpet.local/none}]}' | limpet apply -f - >/dev/null
pod still '{hostNetwork: true, containers: [{name: c, image: limpet.local/none}]}' >"$dir/said"
refused 'spec: Forbidden: pod updates may not change fields other than' <"$dir/said"
{ printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata:\n  a: "'; head -c 900000 /dev/zero | tr '\0' x; printf '"\n'; } >"$dir/said"
refused 'metadata.annotations: Too long: may not be more than 262144 bytes' <"$dir/said"
{ printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata:\n  a: "'; head -c 1900000 /dev/zero | tr '\0' x; printf '"\n'; } >"$dir/said"
refused 'Error from server .RequestEntityTooLarge.: .*the request is too large' 'the request is too large' <"$dir/said"

# ---- odd, but right: line ends, byte order marks, no last newline, many documents; one bad object among good ones fails alone
printf '\357\273\277apiVersion: v1\r\nkind: ConfigMap\r\nmetadata:\r\n  name: crlf\r\ndata:\r\n  a: "b"' >"$file"
shows '^configmap/crlf created$' limpet apply -f "$file"
shows '^configmap/crlf (unchanged|configured)$' "$kubectl" apply -f "$file"
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: twice}\ndata:\n  a: b\n  a: c\n' >"$file"
shows 'Warning: .*manifest.yaml: "data.a" stands more than once, the last one counts' limpet apply -f "$file"
for number in $(seq 1000); do
	printf -- '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: many-%s}\n' "$number"
done >"$file"
check "a thousand documents" limpet apply -f "$file"
check "all of them are there" test "$(limpet get configmaps -o name | grep -c many-)" = 1000
check "and go" limpet delete -f "$file"
for name in one two_ three; do
	printf -- '---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n' "$name"
done >"$file"
limpet apply -f "$file" >"$dir/out" 2>"$dir/err"
check "one bad object among good ones: status 1" test $? = 1
shows '^configmap/one created configmap/three created $' sh -c "tr '\n' ' ' <'$dir/out'; echo"
shows '^Error from server .Invalid.*two_' cat "$dir/err"

# ---- image archives
layer=$dir/layer
listing() {
	find "$dir/up/images" "$dir/up/layers" "$dir/up/blobs" ! -name lock -printf '%P %y %s %T@\n' | grep -v '^tmp d\|^ d\|^sha256 d' | sort
}
refused_image() {	# refused_image PATTERN FILE
	before=$(listing)
	one_line "$1" limpet image load "$2" --name limpet.local/odd:1
	check "nothing is left: $1" test "$before" = "$(listing)"
}
digest() {
	sha256sum "$1" | cut -d' ' -f1
}
blob() {	# blob FILE: into the layout, says its digest
	mkdir -p "$dir/oci/blobs/sha256"
	cp "$1" "$dir/oci/blobs/sha256/$(digest "$1")"
	digest "$1"
}
# image TYPE: an OCI archive $dir/image.tar of the layer in $layer.tar, packed as $layer.packed
image() {
	rm -rf "$dir/oci"
	packed=$(blob "$layer.packed")
	echo "{\"architecture\":\"$(dpkg --print-architecture)\",\"os\":\"linux\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:$(digest "$layer.tar")\"]}}" >"$dir/config"
	config=$(blob "$dir/config")
	cat >"$dir/manifest" <<-JSON
	{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:$config","size":$(wc -c <"$dir/config")},
	 "layers":[{"mediaType":"$1","digest":"sha256:$packed","size":$(wc -c <"$layer.packed")}]}
	JSON
	manifest=$(blob "$dir/manifest")
	echo "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:$manifest\",\"size\":$(wc -c <"$dir/manifest")}]}" >"$dir/oci/index.json"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$dir/oci/oci-layout"
	tar -C "$dir/oci" -cf "$dir/image.tar" .
}
plain=application/vnd.oci.image.layer.v1.tar
layer_of() {	# layer_of tar's words...
	tar -cPf "$layer.tar" "$@"
	cp "$layer.tar" "$layer.packed"
	image $plain
}
mkdir "$dir/stuff" "$dir/victim"
echo pwned >"$dir/stuff/f"
layer_of -C "$dir/stuff" f
shows 'limpet.local/odd:1 loaded' limpet image load "$dir/image.tar" --name limpet.local/odd:1
check "an image that is right can be removed" limpet image rm limpet.local/odd:1
gone_from_disk() {
	! find "$dir/up/layers" -name "$(digest "$layer.tar")" | grep -q .
}
wait_until 20 "its files go" gone_from_disk

layer_of -C "$dir/stuff" --transform 's,^f,../../f,' f
refused_image 'layer sha256:.*\.\./\.\./f.* leads out' "$dir/image.tar"
# through an absolute link, in one layer: a file in the image at most, never at the link's target
ln -s "$dir/victim" "$dir/stuff/out"
layer_of -C "$dir/stuff" out --transform 's,^f$,out/f,' f
limpet image load "$dir/image.tar" --name limpet.local/odd:1 >"$dir/out" 2>&1
check "an absolute link leads nowhere" test -z "$(ls -A "$dir/victim")"
limpet image rm limpet.local/odd:1 >"$dir/out" 2>&1
ln -s ../../../../../../../../../../"$dir/victim" "$dir/stuff/up"
layer_of -C "$dir/stuff" up --transform 's,^f$,up/f,' f
limpet image load "$dir/image.tar" --name limpet.local/odd:1 >"$dir/out" 2>&1
check "a climbing link leads nowhere" test -z "$(ls -A "$dir/victim")"
limpet image rm limpet.local/odd:1 >"$dir/out" 2>&1
wait_until 20 "its files go" gone_from_disk
python3 - "$layer.tar" <<'PY'
import sys, tarfile
tar = tarfile.open(sys.argv[1], "w")
link = tarfile.TarInfo("hard"); link.type = tarfile.LNKTYPE; link.linkname = "../../../../etc/shadow"; tar.addfile(link)
PY
cp "$layer.tar" "$layer.packed"
image $plain
refused_image 'layer sha256:.*leads out' "$dir/image.tar"

layer_of -C "$dir/stuff" f
image application/vnd.example.unknown.v9
refused_image 'application/vnd.example.unknown.v9' "$dir/image.tar"
image $plain
printf X | dd of="$dir/oci/blobs/sha256/$packed" bs=1 seek=600 conv=notrunc 2>/dev/null
tar -C "$dir/oci" -cf "$dir/image.tar" .
refused_image "layer sha256:.*its content is sha256:" "$dir/image.tar"
image $plain
printf ' ' >>"$dir/oci/blobs/sha256/$config"
tar -C "$dir/oci" -cf "$dir/image.tar" .
refused_image 'in the archive is damaged' "$dir/image.tar"
image $plain
rm "$dir/oci/blobs/sha256/$packed"
tar -C "$dir/oci" -cf "$dir/image.tar" .
refused_image 'the archive has no blobs/sha256/' "$dir/image.tar"
image $plain
tar -C "$dir/oci" -cPf "$dir/image.tar" --transform 's,^./index.json,../../index.json,' .
refused_image 'leads out' "$dir/image.tar"
size=$(wc -c <build/images/busybox.tar)
for offset in 1 511 512 513 1024 1536 5000 $((size / 4)) $((size / 2)) $((size * 3 / 4)); do
	head -c "$offset" build/images/busybox.tar >"$dir/short.tar"
	refused_image 'short.tar: .*(truncated|too short)' "$dir/short.tar"
done
: >"$dir/empty"
refused_image 'empty: .*(empty|too short)' "$dir/empty"
head -c 100000 build/limpet >"$dir/program"
refused_image 'program: ' "$dir/program"
head -c 100000 /dev/urandom >"$dir/noise"
refused_image 'noise: ' "$dir/noise"
mkdir "$dir/folder"
refused_image 'folder: ' "$dir/folder"
tar -C "$dir/stuff" -cf "$dir/other.tar" f
refused_image 'other.tar: ' "$dir/other.tar"
stop_up

# ---- full disks: one for the manager, one for its node
mkdir "$dir/disk1" "$dir/disk2"
mount -t tmpfs -o size=32m disk1 "$dir/disk1"
mount -t tmpfs -o size=32m disk2 "$dir/disk2"
fill() {	# fill DISK: to the last byte
	cat /dev/zero >"$dir/$1/filler" 2>/dev/null
	check "$1 is full" test "$(df --output=avail "$dir/$1" | tail -n 1)" -eq 0
}
limpet manager --data-dir "$dir/disk1/m" --run-dir /run/m --listen 127.0.0.1:6444 >"$dir/manager.log" 2>&1 </dev/null &
manager=$!
export KUBECONFIG=$dir/disk1/m/admin.kubeconfig
wait_until 30 "the manager makes tokens" limpet token list
check "its node joins" limpet join https://127.0.0.1:6444 --data-dir "$dir/disk2/n" --token "$(limpet token create --token-only)" --node-name small
root=$(cgroup_root)
limpet agent --data-dir "$dir/disk2/n" --run-dir /run/n ${root:+--cgroup-root "$root/$LP_STORY_CGROUP"} >"$dir/agent.log" 2>&1 </dev/null &
agent=$!
check "an image fits" limpet image load --data-dir "$dir/disk2/n" build/images/busybox.tar
box() {
	pod "$1" '{terminationGracePeriodSeconds: 0, containers: [{name: c, image: "limpet.local/busybox:latest", command: [sleep, "100000"]}]}'
}
box before | limpet apply -f - >/dev/null
check "a pod runs" limpet wait --for=condition=Ready pod/before --timeout=60s
before=$(pgrep -f 'sleep 100000')

# an image that does not fit: known before, or found out on the way
used() {
	df --output=used "$dir/disk2" | tail -n 1
}
images() {
	find "$dir/disk2/n/images" "$dir/disk2/n/layers" "$dir/disk2/n/blobs" ! -name lock | sort
}
there=$(images) space=$(used)
head -c 60000000 /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 >"$dir/stuff/large" 2>/dev/null
layer_of -C "$dir/stuff" large
one_line 'not enough space: the image needs about [0-9]+ MiB, [0-9]+ MiB are free|No space left on device' limpet image load --data-dir "$dir/disk2/n" "$dir/image.tar" --name x:1
head -c 200000000 /dev/zero >"$dir/stuff/large"
tar -C "$dir/stuff" -cf "$layer.tar" large
zstd -q -f "$layer.tar" -o "$layer.packed"
image $plain+zstd
one_line 'layer sha256:.*No space left on device' limpet image load --data-dir "$dir/disk2/n" "$dir/image.tar" --name x:1
check "nothing of it is left" test "$there" = "$(images)"
check "its space is given back" test "$(used)" -le $((space + 64))
rm "$dir/stuff/large"

# the node's disk: what runs keeps running, what is new waits for space
fill disk2
box during | limpet apply -f - >/dev/null
wait_until 20 "the node says that its disk is full" grep -qi 'No space left' "$dir/agent.log"
check "what runs keeps running" test "$before" = "$(pgrep -f 'sleep 100000')"
shows 'before +1/1 +Running +0' limpet get pods
rm "$dir/disk2/filler"
check "with space again the new pod runs" limpet wait --for=condition=Ready pod/during --timeout=90s
check "the old one is the same" sh -c "pgrep -f 'sleep 100000' | grep -qx $before"

# the manager's disk: a clear answer, nothing acknowledged is lost, and it goes on when there is space
map() {
	printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {a: "%s"}\n' "$1" "$(head -c "${2:-10}" /dev/zero | tr '\0' x)"
}
map kept | limpet create -f - >/dev/null
fill disk1
for number in $(seq 20); do
	map "full-$number" 100000 >"$file"
	limpet create -f "$file" >>"$dir/acknowledged" 2>"$dir/err" || break
done
check "sooner or later it says no" test "$number" -lt 20
check "in one line" test "$(wc -l <"$dir/err")" = 1
shows "Error from server .*(full|[Ss]pace)" cat "$dir/err"
refuses "(full|[Ss]pace)" "$kubectl" create -f "$file"
shows 'kept' limpet get configmap kept
check "it still answers" limpet get pods
check "the pods did not notice" sh -c "pgrep -f 'sleep 100000' | grep -qx $before"
rm "$dir/disk1/filler"
wait_until 30 "with space again it creates" limpet create -f "$file"
kill -9 "$manager"
wait "$manager" 2>/dev/null
limpet manager --data-dir "$dir/disk1/m" --run-dir /run/m --listen 127.0.0.1:6444 >>"$dir/manager.log" 2>&1 </dev/null &
manager=$!
wait_until 30 "it starts again" limpet get nodes
shows "kept" limpet get configmap kept
sed -n 's,^\(configmap/.*\) created,\1,p' "$dir/acknowledged" | sort >"$dir/promised"
check "everything acknowledged is there" test -z "$(limpet get configmaps -o name | sort | comm -13 - "$dir/promised")"

check "the pods go" limpet delete pod before during --timeout=60s
kill "$agent" "$manager"
wait "$agent" "$manager"
check "the node is taken down" limpet down --data-dir "$dir/disk2/n" --run-dir /run/n ${root:+--cgroup-root "$root/$LP_STORY_CGROUP"}
umount "$dir/disk1" "$dir/disk2"
finish
