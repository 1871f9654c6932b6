#!/bin/sh
# tests/strangers/test_resources.sh - what pods use and may use, told with kubectl: figures, logs, limits on storage, eviction, resize.
. "$(dirname "$0")/lib.sh"
enter "$@"
tools/test-images || exit 1
tools/kubectl || skip "no kubectl could be fetched"
mkdir -p "$dir/bin"
ln -s "$PWD/build/kubectl/kubectl-1.32" "$dir/bin/kubectl"
# a disk of our own, small enough to be filled
mkdir -p "$dir/up"
mount -t tmpfs -o size=200m data "$dir/up" || skip "may not mount"
echo "podMemory: 256Mi" >"$dir/up/ceiling.yaml"
start_up --agent-option "eviction-hard=nodefs.available<25%,memory.available<1Mi" --agent-option system-reserved=cpu=100m,memory=64Mi \
	--agent-option eviction-pressure-transition-period=3s
PATH=$PWD/build:$dir/bin:$PATH
export PATH
check "the image is loaded" limpet image load build/images/busybox.tar

# what the machine keeps for itself
capacity=$(kubectl get node story -o 'jsonpath={.status.capacity.memory}')
allocatable=$(kubectl get node story -o 'jsonpath={.status.allocatable.memory}')
check "64Mi and the eviction threshold are not for pods" test $((${capacity%Ki} - ${allocatable%Ki})) = $((65 * 1024))
shows "False" kubectl get node story -o 'jsonpath={.status.conditions[?(@.type=="DiskPressure")].status}'

cat >"$dir/pods.yaml" <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: busy, labels: {app: busy}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: spin
    image: limpet.local/busybox
    command: [sh, -c, "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done; while :; do :; done"]
    resources: {requests: {cpu: 100m, memory: 16Mi}, limits: {cpu: 500m, memory: 64Mi}}
    resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}, {resourceName: memory, restartPolicy: NotRequired}]
---
apiVersion: v1
kind: Pod
metadata: {name: idle}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: wait, image: limpet.local/busybox, command: [sleep, "1000"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: writer}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: w
    image: limpet.local/busybox
    command: [sh, -c, "dd if=/dev/zero of=/v/f bs=1M count=20; sleep 1000"]
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, emptyDir: {sizeLimit: 5Mi}}]
YAML
check "the pods are made" kubectl apply -f "$dir/pods.yaml"
check "the busy one runs" kubectl wait --for=condition=Ready pod/busy pod/idle --timeout=20s

# figures
wait_until 10 "kubectl top knows the pod" sh -c 'kubectl top pod busy | grep -q "^busy *[0-9][0-9]*m *[0-9][0-9]*Mi"'
check "a spinning container uses at least a tenth of a cpu" sh -c 'test "$(kubectl top pod busy --no-headers | tr -s " " | cut -d" " -f2 | tr -d m)" -ge 100'
shows "^busy +spin +[0-9]+m" kubectl top pod --containers -l app=busy
shows "^story +[0-9]+m +[0-9]+% +[0-9]+Mi" kubectl top node
shows '"kind":"PodMetricsList"' kubectl get --raw /apis/metrics.k8s.io/v1beta1/namespaces/default/pods
shows '"podRef"' kubectl get --raw /api/v1/nodes/story/proxy/stats/summary
refuses "not found" kubectl get --raw /api/v1/nodes/nobody/proxy/stats/summary
shows "^NAME +CPU +CPU% +MEMORY" limpet top nodes
shows "^busy +[0-9]+m +[0-9.]+[KM]i" limpet top pods
shows "^busy +spin " limpet top containers --sort-by cpu
shows '"usageNanoCores"' limpet top -o json
refuses "sort-by" limpet top --sort-by nonsense

# cpu and memory change while it runs
cpu='{"spec":{"containers":[{"name":"spin","resources":{"limits":{"cpu":"700m","memory":"96Mi"},"requests":{"cpu":"200m"}}}]}}'
refuses "pod updates may not change fields other than" kubectl patch pod busy -p "$cpu"
id=$(kubectl get pod busy -o 'jsonpath={.status.containerStatuses[0].containerID}')
check "the size is changed" kubectl patch pod busy --subresource resize -p "$cpu"
wait_until 10 "the node says so" sh -c 'test "$(kubectl get pod busy -o "jsonpath={.status.containerStatuses[0].resources.limits}")" = "{\"cpu\":\"700m\",\"memory\":\"96Mi\"}"'
check "200m are allocated" test "$(kubectl get pod busy -o 'jsonpath={.status.containerStatuses[0].allocatedResources.cpu}')" = 200m
check "the container is the same" test "$(kubectl get pod busy -o 'jsonpath={.status.containerStatuses[0].containerID}')" = "$id"
check "and was not restarted" test "$(kubectl get pod busy -o 'jsonpath={.status.containerStatuses[0].restartCount}')" = 0
refuses "only cpu and memory resources are mutable" kubectl patch pod busy --subresource resize -p '{"spec":{"containers":[{"name":"spin","image":"other"}]}}'
refuses "QOS Class may not change" kubectl patch pod busy --subresource resize -p '{"spec":{"containers":[{"name":"spin","resources":{"requests":{"cpu":"700m","memory":"96Mi"}}}]}}'
check "more than the node has" kubectl patch pod busy --subresource resize -p '{"spec":{"containers":[{"name":"spin","resources":{"limits":{"cpu":"999"},"requests":{"cpu":"999"}}}]}}'
wait_until 10 "is told to be infeasible" sh -c 'kubectl get pod busy -o "jsonpath={.status.conditions[?(@.type==\"PodResizePending\")].reason}" | grep -qx Infeasible'
check "more than the owner of the node allows" kubectl patch pod busy --subresource resize \
	-p '{"spec":{"containers":[{"name":"spin","resources":{"limits":{"cpu":"700m","memory":"512Mi"},"requests":{"cpu":"200m"}}}]}}'
wait_until 10 "is infeasible too" sh -c 'kubectl get pod busy -o "jsonpath={.status.conditions[?(@.type==\"PodResizePending\")].message}" | grep -q podMemory'
check "and stays what it was" test "$(kubectl get pod busy -o 'jsonpath={.status.containerStatuses[0].resources.limits.cpu}')" = 700m

# a size that asks for a new run: the old one ends in good order
cat >"$dir/again.yaml" <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: again}
spec:
  terminationGracePeriodSeconds: 5
  restartPolicy: OnFailure
  containers:
  - name: a
    image: limpet.local/busybox
    command: [sh, -c, "trap 'echo in good order; exit 0' TERM; while :; do sleep 0.1; done"]
    resources: {requests: {cpu: 20m}, limits: {cpu: 100m}}
    resizePolicy: [{resourceName: cpu, restartPolicy: RestartContainer}]
YAML
check "a pod that restarts for its size" kubectl apply -f "$dir/again.yaml"
check "it runs" kubectl wait --for=condition=Ready pod/again --timeout=20s
check "its size is changed" kubectl patch pod again --subresource resize -p '{"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"150m"}}}]}}'
wait_until 10 "it is restarted once" sh -c 'test "$(kubectl get pod again -o "jsonpath={.status.containerStatuses[0].restartCount}{.status.phase}")" = 1Running'
shows "^in good order$" kubectl logs again --previous
kubectl delete pod again --wait=true >/dev/null

# a sidecar that may not have what it wishes for
cat >"$dir/aside.yaml" <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: aside}
spec:
  terminationGracePeriodSeconds: 0
  initContainers:
  - {name: s, image: limpet.local/busybox, restartPolicy: Always, command: [sleep, "1000"], resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 32Mi}}}
  containers: [{name: c, image: limpet.local/busybox, command: [sleep, "1000"]}]
YAML
check "a pod with a sidecar" kubectl apply -f "$dir/aside.yaml"
check "it is ready" kubectl wait --for=condition=Ready pod/aside --timeout=20s
check "the sidecar wants more than the node's owner allows" kubectl patch pod aside --subresource resize \
	-p '{"spec":{"initContainers":[{"name":"s","resources":{"limits":{"memory":"512Mi"}}}]}}'
wait_until 10 "that is infeasible" sh -c 'kubectl get pod aside -o "jsonpath={.status.conditions[?(@.type==\"PodResizePending\")].reason}" | grep -qx Infeasible'
shows "^32Mi 16Mi Running$" kubectl get pod aside -o \
	'jsonpath={.status.initContainerStatuses[0].resources.limits.memory} {.status.initContainerStatuses[0].allocatedResources.memory} {.status.phase}{"\n"}'
kubectl delete pod aside --wait=true >/dev/null

# logs
check "300 lines" test "$(kubectl logs busy | wc -l)" = 300
check "the last two" test "$(kubectl logs busy --tail=2 | tr '\n' ' ')" = "line 298 line 299 "
check "so many bytes" test "$(kubectl logs busy --limit-bytes=11 | wc -c)" = 11
shows "^20[0-9-]+T[0-9:.]+Z line 0$" sh -c 'kubectl logs busy --timestamps | head -n 1'
check "all of the last hour" test "$(kubectl logs busy --since=1h | wc -l)" = 300
check "nothing from the future" test "$(kubectl logs busy --since-time=2099-01-01T00:00:00Z | wc -l)" = 0
refuses "previous terminated container .* not found" kubectl logs busy --previous

# an emptyDir that is more than it may
wait_until 25 "the writer is evicted" sh -c 'test "$(kubectl get pod writer -o "jsonpath={.status.reason}")" = Evicted'
shows 'Usage of EmptyDir volume "v" exceeds the limit "5Mi"' kubectl get pod writer -o 'jsonpath={.status.message}'
shows "^Failed$" kubectl get pod writer -o 'jsonpath={.status.phase}{"\n"}'
shows "DisruptionTarget" kubectl get pod writer -o 'jsonpath={.status.conditions[*].type}'

# nobody named a limit, and this file system has no quota: half of the disk is what a pod may have in its writable layers
cat >"$dir/greedy.yaml" <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: greedy}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: g, image: limpet.local/busybox, command: [sh, -c, "dd if=/dev/zero of=/big bs=1M count=104; sleep 1000"]}]
YAML
kubectl delete pod writer --wait=true >/dev/null
check "the greedy one is made" kubectl apply -f "$dir/greedy.yaml"
wait_until 25 "the greedy one is evicted" sh -c 'test "$(kubectl get pod greedy -o "jsonpath={.status.reason}")" = Evicted'
shows "Pod writable layers usage exceeds [0-9]* bytes, half of this node's disk" kubectl get pod greedy -o 'jsonpath={.status.message}'
kubectl delete pod greedy --wait=true >/dev/null

# a disk that is short: the condition, the taint, one pod goes, and the pressure passes
cat >"$dir/hog.yaml" <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: hog}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: h
    image: limpet.local/busybox
    command: [sh, -c, "dd if=/dev/zero of=/v/big bs=1M count=155; sleep 1000"]
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, emptyDir: {}}]
YAML
check "the hog is made" kubectl apply -f "$dir/hog.yaml"
wait_until 25 "the node has disk pressure" sh -c 'test "$(kubectl get node story -o "jsonpath={.status.conditions[?(@.type==\"DiskPressure\")].status}")" = True'
wait_until 10 "and its taint" sh -c 'kubectl get node story -o "jsonpath={.spec.taints[*].key}" | grep -q node.kubernetes.io/disk-pressure'
wait_until 25 "the hog is evicted" sh -c 'test "$(kubectl get pod hog -o "jsonpath={.status.reason}")" = Evicted'
shows "The node was low on resource: ephemeral-storage. Threshold quantity: .*, available: " kubectl get pod hog -o 'jsonpath={.status.message}'
shows "^Running$" kubectl get pod idle -o 'jsonpath={.status.phase}{"\n"}'
kubectl delete pod hog --wait=true >/dev/null
wait_until 25 "the pressure passes" sh -c 'test "$(kubectl get node story -o "jsonpath={.status.conditions[?(@.type==\"DiskPressure\")].status}")" = False'
stop_up
finish
