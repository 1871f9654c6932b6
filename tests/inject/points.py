# tests/inject/points.py - kill limpet-oci at every system call of every verb; what is there afterwards is what was there before or
# what should be there after it, and `delete --force` leaves nothing. Used by tests/strangers/test_inject.sh.
#
# Use     python3 points.py INJECT LIMPET-OCI BUNDLE STATE CGROUP
# Env     LIMPET_INJECT=all, or how many points of each verb (default 12); LIMPET_SEED repeats a choice
import json, os, random, subprocess, sys, time
import trial

inject, oci, bundle, root, cgroup = sys.argv[1:]
wanted = os.environ.get("LIMPET_INJECT", "12")
seed = int(os.environ.get("LIMPET_SEED", "0")) or random.randrange(1, 1 << 31)
random.seed(seed)
list_file = os.path.join(os.path.dirname(root), "calls")
os.chdir(bundle)


def run(*command, **more):
    # Files, not pipes: whoever is left behind would hold a pipe open.
    with open(list_file + ".out", "w+b") as out:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=30, **more)
        out.seek(0)
        return done.returncode, out.read().decode(errors="replace")


def o(*args):
    return run(oci, "--root", root, *args)


def status():
    code, text = o("state", "a")
    if code:
        if "does not exist" not in text:
            raise AssertionError("state says: " + text)
        return "none"
    return json.loads(text[text.index("{"):])["status"]


def processes():
    found = set()
    for pid in os.listdir("/proc"):
        try:
            if pid.isdigit() and open("/proc/%s/stat" % pid).read().rsplit(")", 1)[1].split()[0] not in "ZX":
                found.add(int(pid))
        except OSError:
            pass
    return found


def facts():
    cgroups = {path for path in trial.below(cgroup) if os.path.isdir(path)} if cgroup else set()
    mounts = open("/proc/self/mountinfo").read()
    sockets = {line.split(None, 7)[-1] for line in open("/proc/net/unix") if "/" in line or "@" in line}
    return processes(), cgroups, mounts, trial.below(root, "/run", bundle), sockets


def residue(base):
    now = facts()
    words = []
    for name, is_set in (("processes", 0), ("cgroups", 1), ("files", 3), ("sockets", 4)):
        if now[is_set] - base[is_set]:
            words.append("%s %s" % (name, sorted(now[is_set] - base[is_set])[:6]))
    if now[2] != base[2]:
        words.append("mounts " + "; ".join(sorted(set(now[2].splitlines()) - set(base[2].splitlines()))[:4]))
    return words


def cmdline(pid):
    try:
        return open("/proc/%d/cmdline" % pid).read().replace("\0", " ")
    except OSError:
        return "gone"


def make(*verbs):
    for verb in verbs:
        code, text = o(*verb)
        if code:
            raise AssertionError("cannot prepare %s: %s" % (verb, text))


CREATE, START = ("create", "a"), ("start", "a")
# name, what comes before, the verb, statuses allowed afterwards
VERBS = [
    ("create", [], CREATE, {"none", "created"}),
    ("start", [CREATE], START, {"created", "running"}),
    ("run", [], ("run", "-d", "a"), {"none", "created", "running"}),
    ("exec", [CREATE, START], ("exec", "a", "true"), {"running"}),
    ("exec -d", [CREATE, START], ("exec", "-d", "a", "sleep", "30"), {"running"}),
    ("kill", [CREATE, START], ("kill", "a", "KILL"), {"running", "stopped"}),
    ("delete", [CREATE], ("delete", "a"), {"none", "created", "stopped"}),
    ("delete --force", [CREATE, START], ("delete", "--force", "a"), {"none", "running", "stopped"}),
]


def first_pid():
    return json.loads(o("state", "a")[1])["pid"]


def try_point(name, before, verb, allowed, point, base):
    make(*before)
    pid = first_pid() if before else 0
    code, text = run(inject, "-k", "%d:%d" % point, oci, "--root", root, *verb)
    if code == 125:
        raise AssertionError("inject failed: " + text)
    reached = code != 124
    now = status()
    bad = []
    # The one that was killed may be the container's first process: then it has stopped.
    if now not in allowed and not (now == "stopped" and point[0] > 0):
        bad.append("status %s" % now)
    if name.startswith("exec") and now == "running" and first_pid() != pid:
        bad.append("another first process")
    # Half-made is not made: what says it is created can be started, what runs can be run into.
    if now == "created":
        code, text = o("start", "a")
        # The process may have been the one that was killed.
        if code and status() != "stopped":
            bad.append("start after it: %s" % text.strip())
        if not code and status() != "running":
            bad.append("status after start: %s" % status())
    elif now == "running" and name in ("start", "run"):
        code, text = o("exec", "a", "true")
        if code:
            bad.append("exec after it: %s" % text.strip())
    began = time.monotonic()
    code, text = o("delete", "--force", "a")
    if code:
        bad.append("delete --force: %s" % text.strip())
    left = residue(base)
    while left and time.monotonic() - began < 2:
        time.sleep(0.02)
        left = residue(base)
    if left:
        bad += left
        for extra in processes() - base[0]:
            bad.append("%d is %s" % (extra, cmdline(extra)))
            try:
                os.kill(extra, 9)	# the next point begins with nothing of this one
            except ProcessLookupError:
                pass
        time.sleep(0.2)
        o("delete", "--force", "a")
    return reached, bad


def points_of(before, verb):
    make(*before)
    code, text = run(inject, "-o", list_file, oci, "--root", root, *verb)
    if code:
        raise AssertionError("%s fails undisturbed: %s" % (verb, text))
    found = {}
    for line in open(list_file):
        process, call, name = line.split()
        found[(int(process), int(call))] = name
    o("delete", "--force", "a")
    return found


def main():
    only = os.environ.get("LIMPET_INJECT_VERB")
    make(CREATE, START)		# mount points of the bundle are made by the first
    make(("delete", "--force", "a"))
    time.sleep(0.3)
    base = facts()
    tried = failed = missed = 0
    for name, before, verb, allowed in VERBS:
        if only and name != only:
            continue
        calls = points_of(before, verb)
        chosen = sorted(calls)
        if wanted != "all":
            chosen = sorted(random.sample(chosen, min(int(wanted), len(chosen))))
        count = 0
        for point in chosen:
            try:
                reached, bad = try_point(name, before, verb, allowed, point, base)
            except (AssertionError, subprocess.TimeoutExpired) as problem:
                reached, bad = True, [str(problem)]
                o("delete", "--force", "a")
            missed += not reached
            count += bool(bad)
            nth = sum(1 for p in calls if p[0] == point[0] and p[1] <= point[1] and calls[p] == calls[point])
            if bad:
                print("FAILED %s: process %d killed at call %d (%s, no. %d): %s" % (name, *point, calls[point], nth, ", ".join(bad)), flush=True)
        print("%s: %d of %d points, %d failed" % (name, len(chosen), len(calls), count), flush=True)
        tried += len(chosen)
        failed += count
    print("seed %d: %d points tried, %d not reached, %d failed" % (seed, tried, missed, failed))
    if missed * 10 > tried:
        print("too many points were not reached: these are not the calls that were listed")
        return 1
    return failed != 0


sys.exit(main())
