# tests/inject/pods.py - kill a pod's keeper, and the agent, at system calls of a pod's whole life: the pod runs again or is gone, as its
# manifest says, and nothing else is left. Used by tests/strangers/test_inject_pods.sh.
#
# Use     python3 pods.py INJECT LIMPET DIR CGROUP
# Env     LIMPET_INJECT=all, or how many points of each (default 8); LIMPET_SEED repeats a choice; LIMPET_INJECT_VERB=keeper|agent;
#         LIMPET_INJECT_SECONDS ends each of them early, and says how far it came
import os, random, signal, subprocess, sys, time

inject, limpet, folder, cgroup = sys.argv[1:]
wanted = os.environ.get("LIMPET_INJECT", "8")
seed = int(os.environ.get("LIMPET_SEED", "0")) or random.randrange(1, 1 << 31)
random.seed(seed)
seconds = int(os.environ.get("LIMPET_INJECT_SECONDS", "86400"))
began = time.monotonic()
manifest = folder + "/manifests/pod.yaml"
calls_file = folder + "/calls"
MANIFEST = """apiVersion: v1
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


def start_agent(*before):
    log = open(folder + "/up.log", "ab")
    return subprocess.Popen([*before, limpet, "agent", "--standalone", "--manifests", folder + "/manifests", "--data-dir", folder + "/data",
        "--instance", "story", "--node-name", "alone", "--cgroup-root", cgroup], stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def want(pod):
    if pod:
        with open(manifest + ".new", "w") as out:
            out.write(MANIFEST)
        os.rename(manifest + ".new", manifest)
    elif os.path.exists(manifest):
        os.unlink(manifest)


def cmdlines():
    found = []
    for pid in os.listdir("/proc"):
        try:
            if pid.isdigit() and int(pid) != os.getpid() and open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()[0] not in "ZX":
                line = open("/proc/%s/cmdline" % pid).read().replace("\0", " ").strip()
                if not line.startswith(inject):
                    found.append(line)
        except OSError:
            pass
    return sorted(found)


def below(*places):
    found = set()
    for place in places:
        for path, folders, files in os.walk(place):
            found.update(os.path.join(path, name) for name in folders + files)
    return found


def facts():
    cgroups = {path for path in below(cgroup) if os.path.isdir(path)}
    links = {line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line}
    sockets = {line.split(None, 7)[-1] for line in open("/proc/net/unix") if "/" in line or "@" in line}
    files = {path for path in below("/run", folder + "/data/pods", folder + "/data/layers") if not path.endswith((".old", "/boot"))}
    return cmdlines(), cgroups, files, {line.split(" - ")[1] + line.split()[4] for line in open("/proc/self/mountinfo")}, links, sockets


def residue(base):
    words, now = [], facts()
    for name, was, is_now in zip(("processes", "cgroups", "files", "mounts", "links", "sockets"), base, now):
        more = list(is_now)
        for one in was:
            if one in more:
                more.remove(one)
        if more:
            words.append("%s %s" % (name, more[:6]))
    return words


def runs():
    return "sleep 4711" in cmdlines()


def until(seconds, true):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def settle(base):
    """Nothing but the agent within two seconds of its being asked; None, or what is left."""
    want(False)
    if not until(2, lambda: not residue(base)):
        left = residue(base)
        until(8, lambda: not residue(base))
        return "left after 2 s: %s" % "; ".join(left)
    return None


def life(ended):
    """The pod comes and goes, until ended()."""
    want(True)
    if until(10, lambda: ended() or runs()) and not ended():
        until(0.2, ended)
        if not ended():
            want(False)
            until(1, ended)


def after(base, again, problems):
    """What the manifest says comes true; then the pod goes."""
    if os.path.exists(manifest) and not until(again, runs):
        problems.append("the pod does not run again")
    left = settle(base)
    if left:
        problems.append(left)


def keeper_point(agent, base, point, problems):
    tracer = subprocess.Popen([inject, "-k", "%d:%d" % point, "-m", "limpet keeper", "-p", str(agent.pid)])
    time.sleep(0.02)
    life(lambda: tracer.poll() is not None)
    reached = tracer.poll() is not None
    if not reached:
        tracer.kill()
    tracer.wait()
    after(base, 10, problems)
    return reached


def agent_point(base, point, problems):
    agent = start_agent(inject, "-k", "%d:%d" % point)
    life(lambda: agent.poll() is not None)
    reached = agent.poll() is not None
    if not reached:
        for line in subprocess.run(["pgrep", "-P", str(agent.pid)], stdout=subprocess.PIPE).stdout.split():
            try:
                os.kill(int(line), signal.SIGKILL)
            except ProcessLookupError:
                pass		# a child of its, that has ended meanwhile
    agent.wait()
    agent = start_agent()
    after(base, 10, problems)
    agent.kill()
    agent.wait()
    return reached


def list_calls(tracer, done):
    life(lambda: False)
    done()
    tracer.wait()
    calls = {}
    for line in open(calls_file):
        words = line.split()
        if len(words) == 3:
            calls[(int(words[0]), int(words[1]))] = words[2]
    return calls


def choose(calls):
    chosen = sorted(point for point in calls if point[0] == 0)
    return random.sample(chosen, len(chosen) if wanted == "all" else min(int(wanted), len(chosen)))


def try_all(name, calls, one):
    chosen, failed, missed, tried = choose(calls), 0, 0, 0
    for point in chosen:
        if time.monotonic() > began + seconds:
            break
        tried += 1
        problems = []
        missed += not one(point, problems)
        if problems:
            failed += 1
            print("FAILED %s killed at call %d (%s): %s" % (name, point[1], calls[point], "; ".join(problems)), flush=True)
    print("%s: %d of %d points, %d not reached, %d failed" % (name, tried, sum(p[0] == 0 for p in calls), missed, failed), flush=True)
    # How often it wakes differs from life to life: those of the end may be missing.
    return failed or missed * 2 > tried


def main():
    only = os.environ.get("LIMPET_INJECT_VERB")
    bad = False
    print("seed %d" % seed, flush=True)
    agent = start_agent()
    life(lambda: False)		# what the first pod leaves for the next is no residue
    until(5, lambda: not runs() and not any("keeper" in line for line in cmdlines()))
    time.sleep(1)
    base = facts()
    if only in (None, "keeper"):
        tracer = subprocess.Popen([inject, "-o", calls_file, "-m", "limpet keeper", "-p", str(agent.pid)])
        time.sleep(0.02)
        calls = list_calls(tracer, tracer.kill)
        settle(base)
        bad = try_all("keeper", calls, lambda point, problems: keeper_point(agent, base, point, problems)) or bad
    agent.kill()
    agent.wait()
    if only in (None, "agent"):
        tracer = start_agent(inject, "-o", calls_file)
        calls = list_calls(tracer, lambda: subprocess.run(["pkill", "-9", "-P", str(tracer.pid)]))
        bad = try_all("agent", calls, lambda point, problems: agent_point(base, point, problems)) or bad
    return bad


sys.exit(main())
