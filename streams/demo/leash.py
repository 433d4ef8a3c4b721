# SPDX-License-Identifier: Apache-2.0
"""Run a command that ends when its starter ends, however that happens.

Run as a plain file: `python leash.py STARTER_PID SIGNAL_NUMBER COMMAND...`. On Linux the kernel then sends
the signal at the starter's death; elsewhere the command just runs.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Tie this process to its starter and become the command."""
    starter, signal_number, *command = arguments
    if sys.platform == "linux":
        failed = ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
        if failed:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != int(starter):
            # The starter died before the tie was made.
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - becoming the command, without a shell, is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
