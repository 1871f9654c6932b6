# tests/inject/execs.py - kill at system calls of an exec into a pod: its keeper, the process that enters the container, and the agent,
# which carries the streams. A manager asks. Who asked hears of it; container and keeper go on as they were, or the pod is made anew when
# the keeper was killed; the next exec works, and nothing is left. Used by tests/strangers/test_inject_execs.sh.
#
# Use     python3 execs.py INJECT LIMPET DIR CGROUP
# Env     see trial.py; LIMPET_INJECT_VERB=exec-keeper|exec-joiner|exec-agent (and the same with -tty) only that one
import os, pty, subprocess, sys, termios, time

import trial

limpet, folder, cgroup = sys.argv[2:]
calls_file, data = folder + "/calls", folder + "/data"
POD = """{apiVersion: v1, kind: Pod, metadata: {name: box}, spec: {nodeName: story, terminationGracePeriodSeconds: 0,
  containers: [{name: c, image: "limpet.local/busybox:latest", command: [sleep, "4711"]}]}}
"""
# They end when their input does. With a terminal: the echo of what is typed, and what cat says.
SAYS = {False: "hello\n", True: "hello\r\nhello\r\n"}


def start_agent():
    log = open(folder + "/agent.log", "ab")
    return subprocess.Popen([limpet, "agent", "--data-dir", data, "--instance", "story", "--max-backoff", "1s", "--cgroup-root", cgroup],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def run(*args):
    done = subprocess.run([limpet, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    return done.returncode, done.stdout.decode(errors="replace")


def must(*args):
    code, text = run(*args)
    if code:
        raise AssertionError("%s: %s" % (" ".join(args), text))
    return text


def ask(tty):
    """An exec by somebody else, who types a line and ends."""
    if tty:
        master, slave = pty.openpty()
        asker = subprocess.Popen([limpet, "exec", "-it", "box", "--", "cat"], stdin=slave, stdout=slave, stderr=open(folder + "/said", "wb"))
        # What is typed before it has made the terminal raw is thrown away.
        trial.until(10, lambda: asker.poll() is not None or not termios.tcgetattr(slave)[3] & termios.ECHO)
        os.write(master, b"hello\r\4")
        os.close(slave)
        return asker, master
    with open(folder + "/typed", "w") as out:
        out.write("hello\n")
    asker = subprocess.Popen([limpet, "exec", "-i", "box", "--", "cat"], stdin=open(folder + "/typed"), stdout=open(folder + "/told", "wb"),
        stderr=open(folder + "/said", "wb"))
    return asker, -1


def answer(asker, master, problems):
    """Who asked gets an end, and no success without all that was said."""
    try:
        code = asker.wait(timeout=10)
    except subprocess.TimeoutExpired:
        problems.append("who asked still waits after 10 s")
        asker.kill()
        code = asker.wait()
    said = open(folder + "/told").read() if master < 0 else ""
    while master >= 0:
        try:
            data = os.read(master, 4096)
        except OSError:
            break
        said += data.decode()
    if master >= 0:
        os.close(master)
    if code == 0 and not said.endswith(SAYS[master >= 0]):
        problems.append("success, but it said %r" % said)
    return code


def facts(*programs):
    found = trial.facts(cgroup, data + "/pods", data + "/layers")
    try:
        found["open files"] = ["%d has %d" % (pid, len(os.listdir("/proc/%d/fd" % pid))) for pid in programs]
    except OSError:
        found["open files"] = []	# what has ended has none
    return found


def works():
    return run("exec", "box", "--", "echo", "again") == (0, "again\n")


def make_pod():
    with open(folder + "/pod.yaml", "w") as out:
        out.write(POD)
    must("apply", "-f", folder + "/pod.yaml")
    if not trial.until(20, lambda: trial.pids("sleep 4711") and trial.keeper()) or not trial.until(10, works):
        raise AssertionError("the pod does not run: " + run("describe", "pod", "box")[1])


class World:
    """Manager and agent; no pod yet."""

    def __init__(self):
        log = open(folder + "/up.log", "ab")
        self.manager = subprocess.Popen([limpet, "manager", "--data-dir", data, "--listen", "127.0.0.1:6443"], stdin=subprocess.DEVNULL,
            stdout=log, stderr=log)
        os.environ["KUBECONFIG"] = data + "/admin.kubeconfig"
        if not trial.until(30, lambda: "ready\n" in open(folder + "/up.log")):
            raise AssertionError("the manager is not ready")
        token = must("token", "create", "--token-only").strip()
        must("join", "https://127.0.0.1:6443", "--data-dir", data, "--token", token, "--node-name", "story")
        self.agent = start_agent()
        make_pod()	# what the first pod leaves for the next is no residue
        self.remove_pod()
        time.sleep(1)
        self.base = facts()
        make_pod()

    def remove_pod(self):
        must("delete", "pod", "box", "--force", "--grace-period=0")
        trial.until(10, lambda: not trial.pids("limpet keeper") and not trial.pids("sleep 4711"))

    def list_calls(self, program, tty):
        tracer = trial.trace(program, "-o", calls_file)
        problems = []
        code = answer(*ask(tty), problems)
        time.sleep(0.1)
        trial.release(tracer)
        if code or problems:
            raise AssertionError("an undisturbed exec ends with %d: %s %s" % (code, problems, open(folder + "/said").read()))
        return trial.read_calls(calls_file)

    def disturb(self, program, tty, point, problems):
        tracer = trial.trace(program, "-k", "%d:%d" % point)
        answer(*ask(tty), problems)
        trial.until(0.1, lambda: tracer.poll() is not None)
        return trial.release(tracer)

    def keeper_point(self, tty, point, problems):
        first = trial.pids("sleep 4711")
        reached = self.disturb(trial.keeper(), tty, point, problems)
        self.agent_lives(problems)
        if not trial.until(10, lambda: trial.pids("sleep 4711") not in ([], first) or not reached):
            problems.append("the pod is not made anew")
        if not trial.until(10, works):
            problems.append("no exec after it: %s" % run("exec", "box", "--", "true")[1])
        self.remove_pod()
        left = trial.clean(2, lambda: trial.more(self.base, facts()))
        if left:
            problems.append(left)
        make_pod()
        return reached

    def joiner_point(self, tty, point, problems):
        programs = trial.keeper(), self.agent.pid
        base, first = facts(*programs), trial.pids("sleep 4711")
        reached = self.disturb(trial.keeper(), tty, point, problems)
        self.agent_lives(problems)
        self.as_before(base, first, programs, problems)
        return reached

    def agent_point(self, tty, point, problems):
        base, first = facts(trial.keeper()), trial.pids("sleep 4711")
        reached = self.disturb(self.agent.pid, tty, point, problems)
        self.agent.kill()
        self.agent.wait()
        self.agent = start_agent()
        self.as_before(base, first, (trial.keeper(),), problems)
        return reached

    def agent_lives(self, problems):
        if self.agent.poll() is not None:
            problems.append("the agent has ended: %d" % self.agent.returncode)
            self.agent = start_agent()

    def as_before(self, base, first, programs, problems):
        if not trial.until(10, works):
            problems.append("no exec after it: %s" % run("exec", "box", "--", "true")[1])
        left = trial.clean(2, lambda: trial.more(base, facts(*programs)))
        if left:
            problems.append(left)
        if trial.pids("sleep 4711") != first:
            problems.append("another first process")


def main():
    only = os.environ.get("LIMPET_INJECT_VERB")
    bad = False
    print("seed %d" % trial.seed, flush=True)
    world = World()
    for tty in (False, True):
        subjects = (("exec-keeper", trial.keeper, False, world.keeper_point), ("exec-joiner", trial.keeper, True, world.joiner_point),
            ("exec-agent", lambda: world.agent.pid, False, world.agent_point))
        for name, program, children, one in subjects:
            name += "-tty" if tty else ""
            if only in (None, name):
                # What else it does in such a moment is in one of them only.
                calls = min((world.list_calls(program(), tty) for _ in range(2)), key=len)
                calls = {point: calls[point] for point in calls if (point[0] > 0) == children}
                bad = trial.try_all(name, calls, lambda point, problems: one(tty, point, problems)) or bad
    world.remove_pod()
    world.agent.kill()
    world.agent.wait()
    world.manager.kill()
    world.manager.wait()
    return bad


sys.exit(main())
