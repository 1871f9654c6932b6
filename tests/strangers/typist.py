# tests/strangers/typist.py - a person at a terminal: runs COMMAND in a pty of 33 rows and 91 columns, waits for words, types words.
#
# Usage   typist.py [WAIT TYPE]... -- COMMAND...     WAIT is a regular expression over what is new since the last; TYPE knows \n, \x10, ...
# Output  all that the terminal showed; status is COMMAND's, 124 when a WAIT did not come within 20 s
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

end = sys.argv.index("--")
script, command = sys.argv[1:end], sys.argv[end + 1:]
pid, master = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 91, 0, 0))
shown, seen, late = b"", 0, False
deadline = time.monotonic() + 20


def read_some():
    global shown
    if not select.select([master], [], [], max(0, deadline - time.monotonic()))[0]:
        return False
    try:
        data = os.read(master, 4096)
    except OSError:
        return False
    shown += data
    return bool(data)


for wait, text in zip(script[::2], script[1::2]):
    while not (found := re.search(wait.encode(), shown[seen:])):
        if not read_some():
            late = True
            break
    if late:
        break
    seen += found.end()
    os.write(master, text.encode().decode("unicode_escape").encode("latin-1"))
    deadline = time.monotonic() + 20
while not late and read_some():
    pass
if time.monotonic() >= deadline:
    late = True
sys.stdout.write(shown.decode(errors="replace"))
if late:
    os.kill(pid, 9)
status = os.waitpid(pid, 0)[1]
sys.exit(124 if late else os.waitstatus_to_exitcode(status) & 0xff)
