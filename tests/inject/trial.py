# tests/inject/trial.py - what pods.py and execs.py share: facts of this little world before and after, and the trial of many points.
#
# Use     the first argument of whoever imports it is the injector
# Env     LIMPET_INJECT=all, or how many points of each subject (default 5); LIMPET_SEED repeats a choice; LIMPET_INJECT_PART=K/N only
#         each N-th of them, from the K-th on; LIMPET_INJECT_SECONDS ends each early, and says how far it came; LIMPET_INJECT_DONE=FILE
#         remembers what was tried: a run that was ended goes on there; LIMPET_INJECT_POINT=PROCESS:CALL only this one, as often as
#         LIMPET_INJECT says
import os, random, subprocess, sys, time

inject = sys.argv[1]
wanted = os.environ.get("LIMPET_INJECT", "5")
seed = int(os.environ.get("LIMPET_SEED", "0")) or random.randrange(1, 1 << 31)
random.seed(seed)
part, parts = map(int, os.environ.get("LIMPET_INJECT_PART", "1/1").split("/"))
seconds = int(os.environ.get("LIMPET_INJECT_SECONDS", "86400"))
done_file = os.environ.get("LIMPET_INJECT_DONE")
began = time.monotonic()


def programs():
    """pid -> command line of what lives here, but for us and the injector."""
    found = {}
    for pid in os.listdir("/proc"):
        try:
            if pid.isdigit() and int(pid) != os.getpid() and open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()[0] not in "ZX":
                line = open("/proc/%s/cmdline" % pid).read().replace("\0", " ").strip()
                if not line.startswith(inject):
                    found[int(pid)] = line
        except OSError:
            pass
    return found


def pids(words):
    return [pid for pid, line in programs().items() if line.startswith(words)]


def keeper():
    """Keepers belong to init; whoever has its words for a moment has another parent."""
    for pid in pids("limpet keeper"):
        try:
            if open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[1] == "1":
                return pid
        except OSError:
            pass
    return 0


def trace(program, *args):
    """The injector, once it holds this process."""
    tracer = subprocess.Popen([inject, *args, "-p", str(program)])

    def attached():
        try:
            return "TracerPid:\t%d\n" % tracer.pid in open("/proc/%d/status" % program).read()
        except OSError:
            return True		# and killed already: at the first of its calls

    until(2, attached)
    return tracer


def release(tracer):
    """Ends it; whether it had killed."""
    reached = tracer.poll() is not None
    if not reached:
        tracer.kill()
    tracer.wait()
    return reached


def below(*places):
    found = set()
    for place in places:
        for path, folders, files in os.walk(place):
            found.update(os.path.join(path, name) for name in folders + files)
    return found


def facts(cgroup, *places):
    return {
        "processes": sorted(programs().values()),
        "cgroups": [path for path in below(cgroup) if os.path.isdir(path)],
        "files": [path for path in below("/run", *places) if not path.endswith((".old", "/boot"))],
        "mounts": [line.split(" - ")[1] + line.split()[4] for line in open("/proc/self/mountinfo")],
        "links": [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line],
        "sockets": sorted({line.split(None, 7)[-1] for line in open("/proc/net/unix") if "/" in line or "@" in line}),
    }


def more(was, now):
    """Words for what is there now and was not."""
    words = []
    for name in now:
        left = list(now[name])
        for one in was[name]:
            if one in left:
                left.remove(one)
        if left:
            words.append("%s %s" % (name, left[:6]))
    return words


def until(limit, true):
    end = time.monotonic() + limit
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def clean(limit, residue):
    """None, or what residue() finds after so many seconds; what comes later is waited for, so that the next point begins without it."""
    if until(limit, lambda: not residue()):
        return None
    left = residue()
    until(8, lambda: not residue())
    return "left after %d s: %s" % (limit, "; ".join(left))


def read_calls(path):
    """(process, call) -> name. Of a child only what it does before it becomes another program: the rest is that program's."""
    calls, last = {}, {}
    for line in open(path):
        words = line.split()
        if len(words) == 3:
            point = int(words[0]), int(words[1])
            calls[point] = words[2]
            if words[2].startswith("execve"):
                last[point[0]] = point[1]
    return {point: calls[point] for point in calls if point[0] == 0 or point[1] <= last.get(point[0], point[1])}


def choose(name, calls):
    if "LIMPET_INJECT_POINT" in os.environ:
        point = tuple(map(int, os.environ["LIMPET_INJECT_POINT"].split(":")))
        return [point] * int(wanted)
    tried = set()
    if done_file and os.path.exists(done_file):
        tried = {tuple(map(int, line.split()[1:3])) for line in open(done_file) if line.split()[0] == name}
    chosen = [point for point in sorted(calls)[part - 1::parts] if point not in tried]
    return random.sample(chosen, len(chosen) if wanted == "all" else min(int(wanted), len(chosen)))


def try_all(name, calls, one):
    """one(point, problems) tries it and says whether it was reached. True when something is wrong."""
    chosen, failed, missed, tried = choose(name, calls), 0, 0, 0
    start = time.monotonic()
    for point in chosen:
        if time.monotonic() > began + seconds:
            break
        tried += 1
        problems = []
        reached = one(point, problems)
        missed += not reached
        if problems:
            failed += 1
            print("FAILED %s: process %d killed at call %d (%s): %s" % (name, *point, calls.get(point), "; ".join(problems)), flush=True)
        if done_file:
            with open(done_file, "a") as out:
                out.write("%s %d %d %s %s\n" % (name, *point, calls.get(point), "failed" if problems else "good" if reached else "missed"))
    print("%s: %d of %d points, %d not reached, %d failed, %.2f s each" %
        (name, tried, len(calls), missed, failed, (time.monotonic() - start) / max(tried, 1)), flush=True)
    # How often it wakes and whom it makes when differs from life to life: some may be missing, most or all of a few may not.
    return failed > 0 or (missed * 2 > tried if tried > 20 else missed == tried > 0)
