"""Run a command that ends when the process that started it does, even when that one is killed (Linux).

`python -I -S leash.py PARENT_PID COMMAND...`: the kernel sends SIGTERM to the command at its parent's death.
Elsewhere the command just runs, and the next start ends what was left behind.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the kernel was asked
            raise SystemExit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
