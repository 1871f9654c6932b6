#!/bin/sh
# tests/strangers/test_agent_kills.sh - pods outlive agents: KILLS times kill -9 at random moments, its start-up included, while
# PODS pods serve traffic and have a second container that ends at random times with random codes. Now and then another build
# takes over instead, REPLACES times in all, and every keeper becomes that build in place; and UPGRADES single keepers become another
# build while one of their containers exits, with and without an agent that sees it (agent_kills.py). Then a keeper is killed.
#
# Env     KILLS=1000 REPLACES=100 UPGRADES=100 PODS=20 for the full count; LIMIT=1000: milliseconds that each of them may take
. "$(dirname "$0")/lib.sh"
enter "$@"
KILLS=${KILLS:-80}
REPLACES=${REPLACES:-8}
UPGRADES=${UPGRADES:-8}
LIMIT=${LIMIT:-1000}
PODS=${PODS:-10}
limpet=$PWD/build/limpet
[ -x "$limpet" ] || skip "build/limpet is not built"
cp "$limpet" "$dir/limpet" && limpet=$dir/limpet	# a build meanwhile is no replacement
root=$(cgroup_root)
[ -n "$root" ] || skip "no cgroup v2"
mkdir -p "$root/$LP_STORY_CGROUP" "$dir/data" "$dir/count"
chmod 1777 "$dir/count"

# The same program under another version.
python3 - "$limpet" "$dir/limpet-other" "$(cat VERSION)" <<'PY' || exit 1
import re, sys
old = sys.argv[3].encode()
new = old[:-1] + (b"8" if old[-1:] == b"9" else b"9")
data, count = re.subn(rb"(?<![0-9.])" + re.escape(old) + rb"(?=\0)", new, open(sys.argv[1], "rb").read())
assert count > 0
open(sys.argv[2], "wb").write(data)
PY
chmod 755 "$dir/limpet-other"
check "it is another version" sh -c "[ \"\$('$limpet' version --client 2>&1)\" != \"\$('$dir/limpet-other' version --client 2>&1)\" ]"
agent_words="--max-backoff 2s --data-dir $dir/data --cgroup-root $root/$LP_STORY_CGROUP --instance story"

start_agent() {
	# shellcheck disable=SC2086 # words
	"$limpet" agent $agent_words >>"$dir/agent.log" 2>&1 </dev/null &
	agent=$!
}

: >"$dir/up.log"
"$limpet" manager --data-dir "$dir/data" --listen 127.0.0.1:6443 >"$dir/up.log" 2>&1 </dev/null &
manager=$!
export KUBECONFIG=$dir/data/admin.kubeconfig
wait_until 30 "the manager is ready" grep -qx ready "$dir/up.log"
"$limpet" token create --kubeconfig "$KUBECONFIG" >"$dir/join" 2>&1 || { cat "$dir/join"; exit 1; }
token=$(grep -o 'lp1\.[^ ]*' "$dir/join")
check "the node joins" "$limpet" join https://127.0.0.1:6443 --data-dir "$dir/data" --token "$token" --node-name story
start_agent
check "the image is loaded" "$limpet" image load build/images/busybox.tar --data-dir "$dir/data"

# Each start of "crash" leaves a line in .starts, each end its code in .codes, written before it exits.
{
	cat <<YAML
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: NodePort, publishNotReadyAddresses: true, ports: [{port: 80, targetPort: 8080, nodePort: 30080}], selector: {app: web}}}
YAML
	for i in $(seq "$PODS"); do
		cat <<YAML
---
apiVersion: v1
kind: Pod
metadata: {name: web-$i, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: limpet.local/busybox:latest
    command: [sh, -c, "mkdir -p /tmp/www && echo hello from \$HOSTNAME >/tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www"]
  - name: crash
    image: limpet.local/busybox:latest
    command: [sh, -c, "echo s >>/count/web-$i.starts; n=\$((\$(od -An -N1 -tu1 /dev/urandom) % 200)); sleep \$((n % 4)); echo \$n >>/count/web-$i.codes; exit \$n"]
    volumeMounts: [{name: count, mountPath: /count}]
  volumes: [{name: count, hostPath: {path: $dir/count}}]
YAML
	done
} >"$dir/pods.yaml"
check "the pods are made" "$limpet" apply -f "$dir/pods.yaml"
all_serve() {
	[ "$("$limpet" get pods -o 'jsonpath={.items[*].status.containerStatuses[0].state.running.startedAt}' | wc -w)" = "$PODS" ]
}
wait_until 60 "all containers run" all_serve
wait_until 20 "the service answers" curl -sSf --max-time 2 http://127.0.0.1:30080/

# The programs of the web containers, by the host's numbers.
web_pids() {
	pgrep -f '^httpd -f -p 8080' | sort -n | tr '\n' ' '
}
before=$(web_pids)
check "every pod has its server" test "$(echo "$before" | wc -w)" = "$PODS"

(
	while [ ! -e "$dir/enough" ]; do
		for host in 127.0.0.1 10.99.0.1; do
			if curl -sSf --max-time 5 "http://$host:30080/" >"$dir/answer" 2>>"$dir/failed" && grep -q "hello from web-" "$dir/answer"; then
				echo >>"$dir/served"
			else
				echo "$host failed" >>"$dir/failed"
			fi
		done
	done
) &
traffic=$!

# What the manager is told, looked at again and again: of each run the code that its own log has.
(
	while [ ! -e "$dir/enough" ]; do
		"$limpet" get pods -o 'jsonpath={range .items[*]}{.metadata.name} {range .status.containerStatuses[?(@.name=="crash")]}{.restartCount} r={.state.running.startedAt} t={.state.terminated.exitCode} l={.lastState.terminated.exitCode}{end}{"\n"}{end}' >>"$dir/told" 2>>"$dir/untold"
		sleep 0.5
	done
) &
sampler=$!

kill -9 "$agent"
wait "$agent" 2>/dev/null
# shellcheck disable=SC2086 # words
python3 tests/strangers/agent_kills.py "$dir" "$KILLS" "$REPLACES" "$UPGRADES" "$LIMIT" "$limpet" "$dir/limpet-other" $agent_words
check "each start and each upgrade was over within $LIMIT ms, and no keeper changed its process" test $? = 0
start_agent
: >"$dir/enough"
wait $traffic $sampler

check "no request failed in $KILLS kills" sh -c "! [ -s '$dir/failed' ] || { sort '$dir/failed' | uniq -c | head; false; }"
check "requests were served all the time" test "$(wc -l <"$dir/served")" -gt "$KILLS"
check "no server changed its process" test "$(web_pids)" = "$before"
check "no agent found its place taken" sh -c "! grep 'another agent' '$dir/agent.log'"
# Each exit code that was told stands in the container's own log in the place that the restart count names.
check "codes and counts were those of the containers' own logs, all the time" python3 - "$dir" <<'PY'
import re, sys
dir = sys.argv[1]
logs, seen, bad = {}, set(), []
for line in open(dir + "/told"):
    found = re.match(r"(web-\d+) (\d+) r=(\S*) t=(\d*) l=(\d*)$", line)
    if not found:
        continue
    name, count, running, now, last = found.groups()
    count = int(count)
    if name not in logs:
        logs[name] = [int(code) for code in open("%s/count/%s.codes" % (dir, name))]
    # Waiting for its next run: lastState is of the run that the count names, else of the one before.
    for run, code in (count if running or now else count + 1, last), (count + 1, now):
        if code and run > 0:
            seen.add((name, run))
            if run > len(logs[name]) or logs[name][run - 1] != int(code):
                bad.append((line.strip(), run, logs[name][:run + 1][-3:]))
print(len(seen), "exits told")
for row in bad[:10]:
    print(*row)
sys.exit(bool(bad) or not seen)
PY

# Restart counts and exit codes as the containers' own logs have them; asked again while one is just ending.
count_right() {
	restarts=$("$limpet" get pod "web-$1" -o "jsonpath={.status.containerStatuses[?(@.name=='crash')].restartCount}")
	code=$("$limpet" get pod "web-$1" -o "jsonpath={.status.containerStatuses[?(@.name=='crash')].lastState.terminated.exitCode}")
	[ "$((restarts + 1))" = "$(wc -l <"$dir/count/web-$1.starts")" ] && [ "$code" = "$(tail -n1 "$dir/count/web-$1.codes")" ]
}
for i in $(seq "$PODS"); do
	wait_until 20 "counts and codes of web-$i" count_right "$i" || {
		echo "    restarts $restarts, starts $(wc -l <"$dir/count/web-$i.starts"), code $code, codes $(tail -n3 "$dir/count/web-$i.codes" | tr '\n' ' ')"
	}
done

# A keeper dies: that pod alone starts again and says so.
keeper=$(pgrep -P 1 -f '^limpet keeper .*default/web-1$')
others=$(pgrep -P 1 -f '^limpet keeper .*default/web-' | grep -vx "$keeper" | sort -n | tr '\n' ' ')
check "the keeper of web-1 is found" test -n "$keeper"
kill -9 "$keeper"
unknown() {
	"$limpet" get pod web-1 -o "jsonpath={.status.containerStatuses[?(@.name=='web')].lastState.terminated.reason}" | grep -q ContainerStatusUnknown
}
wait_until 20 "web-1 says ContainerStatusUnknown" unknown
check "with exit code 137" test "$("$limpet" get pod web-1 -o "jsonpath={.status.containerStatuses[?(@.name=='web')].lastState.terminated.exitCode}")" = 137
check "and one restart" test "$("$limpet" get pod web-1 -o "jsonpath={.status.containerStatuses[?(@.name=='web')].restartCount}")" = 1
check "the other keepers are the same" test "$(pgrep -P 1 -f '^limpet keeper .*default/web-' | grep -vx "$(pgrep -P 1 -f '^limpet keeper .*default/web-1$')" | sort -n | tr '\n' ' ')" = "$others"

check "the pods go" "$limpet" delete -f "$dir/pods.yaml" --timeout 60s
kill "$agent" "$manager"
wait "$agent" "$manager" 2>/dev/null
check "the instance is taken down" "$limpet" down --data-dir "$dir/data" --cgroup-root "$root/$LP_STORY_CGROUP" --instance story
cp "$dir/agent.log" "$dir/up.log"
finish
