# tests/inject/pods.py - kill a pod's keeper, and the agent, and what they make, at system calls of a pod's whole life, and a keeper that
# becomes another build in place: the pod runs again or is gone, as its manifest says, and nothing else is left. Used by tests/strangers/test_inject_pods.sh.
#
# Use     python3 pods.py INJECT LIMPET DIR CGROUP
# Env     see trial.py; LIMPET_INJECT_VERB=keeper|agent|keeper-child|agent-child|upgrade only that one; LIMPET_INJECT_POD=plain|rich only that pod:
#         the rich one has a Service, an init container, a sidecar, a probe, hooks, one process namespace, a group and written volumes
import glob, os, signal, socket, subprocess, sys, time

import trial

limpet, folder, cgroup = sys.argv[2:]
manifest = folder + "/manifests/pod.yaml"
calls_file, killed_file = folder + "/calls", folder + "/killed"
PLAIN = """apiVersion: v1
kind: Pod
metadata: {name: pod}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: limpet.local/busybox:latest
    command: [sleep, "4711"]
    volumeMounts: [{name: own, mountPath: /own}, {name: memory, mountPath: /memory}]
  volumes: [{name: own, emptyDir: {}}, {name: memory, emptyDir: {medium: Memory}}]
"""
RICH = """apiVersion: v1
kind: Pod
metadata: {name: pod, labels: {app: pod}}
spec:
  terminationGracePeriodSeconds: 1
  shareProcessNamespace: true
  securityContext: {fsGroup: 2000}
  initContainers:
  - {name: first, image: "limpet.local/busybox:latest", command: ["true"]}
  - {name: side, image: "limpet.local/busybox:latest", command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 1; done"], restartPolicy: Always}
  containers:
  - name: c
    image: limpet.local/busybox:latest
    command: [sh, -c, "trap 'exit 0' TERM; sleep 4711 & wait"]
    env: [{name: WORD, valueFrom: {configMapKeyRef: {name: words, key: word}}}]
    lifecycle: {postStart: {exec: {command: ["true"]}}, preStop: {exec: {command: ["true"]}}}
    readinessProbe: {exec: {command: ["true"]}, periodSeconds: 1}
    volumeMounts: [{name: own, mountPath: /own}, {name: written, mountPath: /written}, {name: secret, mountPath: /secret}]
  volumes:
  - {name: own, emptyDir: {}}
  - {name: written, configMap: {name: words}}
  - {name: secret, secret: {secretName: hidden}}
"""
OBJECTS = """{apiVersion: v1, kind: ConfigMap, metadata: {name: words}, data: {word: hello}}
---
{apiVersion: v1, kind: Secret, metadata: {name: hidden}, stringData: {word: hush}}
---
{apiVersion: v1, kind: Service, metadata: {name: pod}, spec: {selector: {app: pod}, ports: [{port: 80}]}}
"""
PODS = {"plain": PLAIN, "rich": RICH}
kind = "plain"
UPGRADE = b"LPK1" + bytes([0, 1, 0, 0, 0, 1, 5])	# keeper/control.h: kind 5


def start_agent(*before):
    log = open(folder + "/up.log", "ab")
    return subprocess.Popen([*before, limpet, "agent", "--standalone", "--manifests", folder + "/manifests", "--data-dir", folder + "/data",
        "--instance", "story", "--node-name", "alone", "--max-backoff", "1s", "--cgroup-root", cgroup],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def want(pod):
    if pod:
        with open(manifest + ".new", "w") as out:
            out.write(PODS[kind])
        os.rename(manifest + ".new", manifest)
    elif os.path.exists(manifest):
        os.unlink(manifest)


def facts():
    return trial.facts(cgroup, folder + "/data/pods", folder + "/data/layers")


def runs():
    return "sleep 4711" in trial.programs().values()


def settle(base):
    """Nothing but the agent within two seconds of its being asked; None, or what is left."""
    want(False)
    return trial.clean(2, lambda: trial.more(base, facts()))


def life(ended):
    """The pod comes and goes, until ended()."""
    want(True)
    if trial.until(10, lambda: ended() or runs()) and not ended():
        trial.until(0.2, ended)
        if not ended():
            want(False)
            trial.until(1, ended)


def after(base, problems):
    """What the manifest says comes true; then the pod goes."""
    if os.path.exists(manifest) and not trial.until(10, runs):
        problems.append("the pod does not run again")
    left = settle(base)
    if left:
        problems.append(left)


def keeper_point(agent, base, point, problems):
    tracer = subprocess.Popen([trial.inject, "-k", "%d:%d" % point, "-m", "limpet keeper", "-p", str(agent.pid)])
    time.sleep(0.02)
    life(lambda: tracer.poll() is not None)
    reached = trial.release(tracer)
    after(base, problems)
    return reached


def upgrade(agent, *args):
    """The keeper becomes another build in place, and the agent calls it again; a tracer with these words watches it. Whether that killed."""
    pid, (socket_path,) = trial.keeper(), glob.glob("/run/story/pods/*/keeper.sock")
    tracer = trial.trace(pid, *args)
    agent.send_signal(signal.SIGSTOP)	# or it would call again before the keeper has heard us
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection, open(limpet + "-other", "rb") as program:
            connection.connect(socket_path)
            socket.send_fds(connection, [UPGRADE], [program.fileno()])
            trial.until(2, lambda: tracer.poll() is not None or "--resume" in trial.programs().get(pid, "--resume"))
    except OSError:
        pass		# killed when it heard the first word
    agent.send_signal(signal.SIGCONT)
    trial.until(0.3, lambda: tracer.poll() is not None)
    return trial.release(tracer)


def upgrade_point(agent, base, point, problems):
    want(True)
    if not trial.until(10, lambda: runs() and trial.keeper()):
        problems.append("the pod does not run")
        return False
    first = trial.pids("sleep 4711")
    reached = upgrade(agent, "-k", "%d:%d" % point)
    if reached and not trial.until(10, lambda: trial.pids("sleep 4711") not in ([], first)):
        problems.append("the pod is not made anew")
    if not reached and trial.pids("sleep 4711") != first:
        problems.append("nobody was killed, and yet it is another container")
    after(base, problems)
    return reached


def kill_below(tracer):
    for line in subprocess.run(["pgrep", "-P", str(tracer.pid)], stdout=subprocess.PIPE).stdout.split():
        try:
            os.kill(int(line), signal.SIGKILL)
        except ProcessLookupError:
            pass		# a child of its, that has ended meanwhile
    tracer.wait()


def agent_point(base, point, problems):
    agent = start_agent(trial.inject, "-k", "%d:%d" % point)
    life(lambda: agent.poll() is not None)
    reached = agent.poll() is not None
    kill_below(agent)
    agent = start_agent()
    after(base, problems)
    agent.kill()
    agent.wait()
    return reached


def agent_child_point(base, point, problems):
    """The agent lives on, and has to notice."""
    if os.path.exists(killed_file):
        os.unlink(killed_file)
    agent = start_agent(trial.inject, "-t", killed_file, "-k", "%d:%d" % point)
    life(lambda: os.path.exists(killed_file) or agent.poll() is not None)
    if agent.poll() is not None:
        problems.append("the agent has ended, too: %d" % agent.returncode)
        agent = start_agent()
    after(base, problems)
    kill_below(agent)
    return os.path.exists(killed_file)


def list_calls(tracer, done):
    life(lambda: False)
    done()
    tracer.wait()
    return trial.read_calls(calls_file)


def of(calls, children):
    return {point: calls[point] for point in calls if (point[0] > 0) == children}


def subject(name):
    return name if kind == "plain" else "%s-%s" % (name, kind)


def try_keeper(only, agent, base):
    tracer = subprocess.Popen([trial.inject, "-o", calls_file, "-m", "limpet keeper", "-p", str(agent.pid)])
    time.sleep(0.02)
    calls = list_calls(tracer, tracer.kill)
    settle(base)
    bad = False
    for name in ("keeper", "keeper-child"):
        if only in (None, name):
            one = lambda point, problems: keeper_point(agent, base, point, problems)
            bad = trial.try_all(subject(name), of(calls, name == "keeper-child"), one) or bad
    return bad


def try_upgrade(agent, base):
    want(True)
    trial.until(10, lambda: runs() and trial.keeper())
    first = trial.pids("sleep 4711")
    upgrade(agent, "-o", calls_file)
    if trial.pids("sleep 4711") != first:
        raise AssertionError("an undisturbed upgrade changes the container")
    settle(base)
    calls = of(trial.read_calls(calls_file), False)
    return trial.try_all(subject("upgrade"), calls, lambda point, problems: upgrade_point(agent, base, point, problems))


def try_agent(only, base):
    tracer = start_agent(trial.inject, "-o", calls_file)
    calls = list_calls(tracer, lambda: kill_below(tracer))
    bad = False
    for name, one in (("agent", agent_point), ("agent-child", agent_child_point)):
        if only in (None, name):
            bad = trial.try_all(subject(name), of(calls, name == "agent-child"), lambda point, problems: one(base, point, problems)) or bad
    return bad


def try_pod(only):
    agent = start_agent()
    life(lambda: False)		# what the first pod leaves for the next is no residue
    trial.until(5, lambda: not runs() and not any("keeper" in line for line in trial.programs().values()))
    time.sleep(1)
    base = facts()
    bad = False
    if only in (None, "keeper", "keeper-child"):
        bad = try_keeper(only, agent, base)
    if only in (None, "upgrade"):
        bad = try_upgrade(agent, base) or bad
    agent.kill()
    agent.wait()
    if only in (None, "agent", "agent-child"):
        bad = try_agent(only, base) or bad
    return bad


def main():
    global kind
    bad = False
    print("seed %d" % trial.seed, flush=True)
    for kind in PODS:
        if os.environ.get("LIMPET_INJECT_POD", kind) != kind:
            continue
        if kind == "rich":
            with open(folder + "/manifests/objects.yaml", "w") as out:
                out.write(OBJECTS)
        bad = try_pod(os.environ.get("LIMPET_INJECT_VERB")) or bad
    return bad


sys.exit(main())
