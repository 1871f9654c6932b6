#!/bin/sh
# tests/strangers/test_volumes.sh - claims, classes, sub paths, files that change while they are read, groups: told by kubectl.
. "$(dirname "$0")/lib.sh"
enter "$@"
tools/kubectl || skip "no kubectl could be fetched"
[ -e build/images/busybox.tar ] || tools/test-images || skip "the busybox image could not be made"
start_up
check "the image is loaded" build/limpet image load build/images/busybox.tar
kubectl() {
	build/kubectl/kubectl-1.32 --request-timeout=20s "$@"
}
# pod NAME SPEC   a pod from YAML in flow style
pod() {
	printf '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"%s","labels":{"app":"%s"}},"spec":%s}' "$1" "$1" "$2" >"$dir/$1.json"
	check "pod $1 is made" kubectl create -f "$dir/$1.json"
}
image='"image":"limpet.local/busybox:latest","imagePullPolicy":"IfNotPresent"'
runs() {
	check "pod $1 runs" kubectl wait --for=condition=Ready "pod/$1" --timeout=30s
}
away() {
	check "pod $1 goes" kubectl delete pod "$1" --grace-period=1 --timeout=30s
}

echo "-- a claim of the default class waits for its pod, and its directory outlives it"
shows "^limpet-local \(default\) +local.limpet.dev +Delete +WaitForFirstConsumer +false" kubectl get storageclass
shows "^local-path +local.limpet.dev" kubectl get sc
cat >"$dir/claim.yaml" <<YAML
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 100Mi}}}
YAML
check "the claim is made" kubectl apply -f "$dir/claim.yaml"
shows "^data +Pending +limpet-local" kubectl get pvc
wait_until 5 "the claim says what it waits for" sh -c "build/kubectl/kubectl-1.32 describe pvc data | grep -q 'waiting for first consumer'"
writer='{"terminationGracePeriodSeconds":1,"volumes":[{"name":"d","persistentVolumeClaim":{"claimName":"data"}}],"containers":[{"name":"c",'$image',"command":["sh","-c","%s; exec sleep 1000"],"volumeMounts":[{"name":"d","mountPath":"/d"}]}]}'
pod writer "$(printf "$writer" "echo kept >/d/file")"
runs writer
shows "^data +Bound +pvc-[-0-9a-f]+ +100Mi +RWO +limpet-local" kubectl get pvc
shows "^pvc-[-0-9a-f]+ +100Mi +RWO +Delete +Bound +default/data +limpet-local" kubectl get pv
shows "Driver: +local.limpet.dev" kubectl describe pv
shows "kubernetes.io/hostname in \[story\]" kubectl describe pv
handle=$(kubectl get pvc data -o 'jsonpath={.metadata.uid}')
shows "^kept$" cat "$dir/up/volumes/$handle/file"
away writer

echo "-- also a restart of everything"
stop_up
start_up
pod reader "$(printf "$writer" "cat /d/file")"
runs reader
shows "^kept$" kubectl logs reader

echo "-- a claim in use is not taken away; then its volume and its directory go"
check "the claim is to go" kubectl delete pvc data --wait=false
shows "^data +Terminating" kubectl get pvc
shows "Used By: +reader" kubectl describe pvc data
away reader
wait_until 10 "the claim is gone" sh -c "! build/kubectl/kubectl-1.32 get pvc data"
wait_until 10 "its directory is gone" test ! -e "$dir/up/volumes/$handle"
wait_until 10 "its volume is gone" sh -c "build/kubectl/kubectl-1.32 get pv 2>&1 | grep -q 'No resources'"

echo "-- a volume made by hand; paths below it; a group"
mkdir -p "$dir/disk"
cat >"$dir/static.yaml" <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  local: {path: $dir/disk}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [story]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: disk}
spec: {accessModes: [ReadWriteOnce], storageClassName: "", resources: {requests: {storage: 1Gi}}}
YAML
check "volume and claim are made" kubectl apply -f "$dir/static.yaml"
wait_until 5 "the claim is bound" sh -c "build/kubectl/kubectl-1.32 get pvc disk | grep -qE '^disk +Bound +disk +1Gi +RWO'"
shows "^disk +1Gi +RWO +Retain +Bound +default/disk" kubectl get pv
pod below '{"terminationGracePeriodSeconds":1,"securityContext":{"fsGroup":2000},"volumes":[{"name":"p","persistentVolumeClaim":{"claimName":"disk"}},{"name":"e","emptyDir":{}},{"name":"m","emptyDir":{"medium":"Memory","sizeLimit":"1Mi"}}],
	"containers":[{"name":"c",'"$image"',"securityContext":{"runAsUser":1000},"env":[{"name":"ME","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],
	"command":["sh","-c","id -G; touch /p/by-me; stat -c %g:%a /e; touch /e/x; stat -c %g /e/x; stat -c mem=%g:%a /m; echo y >/m/y; df -k /m | tail -1; echo ok; exec sleep 1000"],
	"volumeMounts":[{"name":"p","mountPath":"/p","subPath":"a/b"},{"name":"p","mountPath":"/q","subPathExpr":"$(ME)"},{"name":"e","mountPath":"/e"},{"name":"m","mountPath":"/m"}]}]}'
runs below
wait_until 5 "the container has said all" sh -c "build/kubectl/kubectl-1.32 logs below | grep -q ok"
shows "2000:2777" kubectl logs below
shows "^2000$" kubectl logs below
shows "mem=2000:2777" kubectl logs below
shows "tmpfs +1024 " kubectl logs below
check "what it wrote is below the sub path" test -e "$dir/disk/a/b/by-me"
check "the other path bears the pod's name" test -d "$dir/disk/below"
away below

echo "-- files change all at once while they are read"
check "config" kubectl create configmap cfg --from-literal=a=1 --from-literal=b=1
check "secret" kubectl create secret generic sec --from-literal=pw=canary-7d1f
pod files '{"terminationGracePeriodSeconds":1,"securityContext":{"fsGroup":3000},"volumes":[{"name":"c","configMap":{"name":"cfg"}},{"name":"s","secret":{"secretName":"sec","defaultMode":256}},
	{"name":"w","projected":{"sources":[{"downwardAPI":{"items":[{"path":"labels","fieldRef":{"fieldPath":"metadata.labels"}},{"path":"cpu","resourceFieldRef":{"containerName":"c","resource":"limits.memory","divisor":"1Mi"}}]}},
	{"secret":{"name":"sec","items":[{"key":"pw","path":"deep/pw"}]}}]}}],
	"containers":[{"name":"c",'"$image"',"resources":{"limits":{"memory":"32Mi"}},"env":[{"name":"PW","valueFrom":{"secretKeyRef":{"name":"sec","key":"pw"}}},{"name":"NO","valueFrom":{"configMapKeyRef":{"name":"cfg","key":"none","optional":true}}}],
	"envFrom":[{"prefix":"CFG_","configMapRef":{"name":"cfg"}}],
	"command":["sh","-c","stat -Lc %a:%g /s/pw; cat /w/labels /w/cpu /w/deep/pw; echo; echo $CFG_a; n=0; while :; do cd /c/..data 2>/dev/null && a=$(cat a 2>/dev/null) && b=$(cat b 2>/dev/null) && { [ \"$a\" = \"$b\" ] || echo MIXED $a $b; [ \"$a\" = \"$last\" ] || echo now $a; last=$a; }; done"],
	"volumeMounts":[{"name":"c","mountPath":"/c"},{"name":"s","mountPath":"/s"},{"name":"w","mountPath":"/w"}]}]}'
runs files
wait_until 5 "it reads" sh -c "build/kubectl/kubectl-1.32 logs files | grep -q 'now 1'"
shows "^440:3000$" kubectl logs files
shows 'app="files"' kubectl logs files
shows "32canary-7d1f" kubectl logs files
for n in 2 3 4 5 6; do
	check "change $n" kubectl patch configmap cfg -p "{\"data\":{\"a\":\"$n\",\"b\":\"$n\"}}"
	wait_until 2 "the container sees $n" sh -c "build/kubectl/kubectl-1.32 logs files | grep -q 'now $n'"
done
refuses_mixed() {
	! kubectl logs files | grep MIXED
}
check "no reader saw half of a change" refuses_mixed
check "an immutable map" kubectl patch configmap cfg -p '{"immutable":true}'
refuses "immutable" kubectl patch configmap cfg -p '{"data":{"a":"9"}}'

echo "-- a secret is never in a pod's directory on disk, nor in its logs' directory of the node"
check "no canary" sh -c "! grep -rq canary-7d1f $dir/up/pods $dir/up/volumes"
away files

echo "-- mounts come from the host, and go there from whom it was allowed"
mkdir "$dir/share"
mount --bind "$dir/share" "$dir/share" && mount --make-shared "$dir/share"
for how in None HostToContainer Bidirectional; do
	name=$(echo $how | tr A-Z a-z)
	pod "$name" '{"terminationGracePeriodSeconds":1,"volumes":[{"name":"h","hostPath":{"path":"'"$dir"'/share"}}],"containers":[{"name":"c",'"$image"',"securityContext":{"privileged":true},
		"command":["sh","-c","mkdir /h/'"$name"' && mount -t tmpfs in /h/'"$name"' && touch /h/'"$name"'/mounted; exec sleep 1000"],"volumeMounts":[{"name":"h","mountPath":"/h","mountPropagation":"'$how'"}]}]}'
	runs "$name"
done
mkdir "$dir/share/late" && mount -t tmpfs late "$dir/share/late" && touch "$dir/share/late/seen"
wait_until 5 "the host has what Bidirectional mounted" test -e "$dir/share/bidirectional/mounted"
check "and nothing of the others" test ! -e "$dir/share/none/mounted" -a ! -e "$dir/share/hosttocontainer/mounted"
refuses "No such file" kubectl exec none -- ls /h/late/seen
shows "seen" kubectl exec hosttocontainer -- ls /h/late
shows "seen" kubectl exec bidirectional -- ls /h/late
check "all three go" kubectl delete pods none hosttocontainer bidirectional --grace-period=1 --timeout=30s
check "what the host got stays" test -e "$dir/share/bidirectional/mounted"
umount -R "$dir/share"

echo "-- what cannot be is said by name"
pod lost '{"volumes":[{"name":"d","persistentVolumeClaim":{"claimName":"nowhere"}}],"containers":[{"name":"c",'"$image"'}]}'
wait_until 5 "the missing claim is named" sh -c "build/kubectl/kubectl-1.32 describe pod lost | grep -q 'persistentvolumeclaim \"nowhere\" not found'"
pod nfs '{"volumes":[{"name":"d","nfs":{"server":"127.0.0.1","path":"/x"}}],"containers":[{"name":"c",'"$image"',"volumeMounts":[{"name":"d","mountPath":"/d"}]}]}'
wait_until 20 "a server that is not there, or a kernel without NFS, is told" sh -c "build/kubectl/kubectl-1.32 describe pod nfs | grep -qi 'FailedMount.*nfs'"
refuses "Bidirectional mount propagation is available only to privileged" sh -c "echo '{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"x\"},\"spec\":{\"volumes\":[{\"name\":\"h\",\"emptyDir\":{}}],\"containers\":[{\"name\":\"c\",$image,\"volumeMounts\":[{\"name\":\"h\",\"mountPath\":\"/h\",\"mountPropagation\":\"Bidirectional\"}]}]}}' | build/kubectl/kubectl-1.32 create -f -"
away lost
away nfs
stop_up
finish
