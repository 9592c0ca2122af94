"""System log: what processes of tests say to syslog(3), where the machine has no /dev/log of its own.

    log = SystemLog()           listens from here on; needs root, and says nothing where it can't
    log.of("t17-cold.ans")      the lines of processes with that GMEMFS_SIM_MACHINE, in the order in which they came

Servers in the background log there. Without it, what they said is lost.
"""
import errno
import os
import re
import socket
import struct
import threading

PATH = "/dev/log"
_CREDENTIALS = struct.calcsize("3i")


def is_left_behind():
    """A socket that nobody listens at, of a run that was killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        return client.connect_ex(PATH) == errno.ECONNREFUSED


def machine_of(pid):
    """Empty where the process has none, or has ended meanwhile."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            found = re.search(rb"(?:^|\0)GMEMFS_SIM_MACHINE=([^\0]*)", file.read())
    except OSError:
        return ""
    return found.group(1).decode() if found else ""


class SystemLog:
    def __init__(self):
        self._lines = []
        self._machines = {}  # by pid, as the process had it when it was first heard
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._is_bound = False
        if os.getuid() != 0:
            return
        try:
            if is_left_behind():
                os.unlink(PATH)
            self._socket.bind(PATH)
        except OSError:
            return
        self._is_bound = True
        os.chmod(PATH, 0o666)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            data, ancillary, _, _ = self._socket.recvmsg(1 << 16, socket.CMSG_SPACE(_CREDENTIALS))
            pid = struct.unpack("3i", ancillary[0][2][:_CREDENTIALS])[0] if ancillary else 0
            text = re.sub(r"^<\d+>", "", data.decode(errors="replace")).rstrip("\0\n")
            if pid not in self._machines:
                self._machines[pid] = machine_of(pid)
            with self._lock:
                self._lines.append((self._machines[pid], text))

    def of(self, machine):
        with self._lock:
            return [text for of, text in self._lines if of == machine]

    def close(self):
        if self._is_bound:
            os.unlink(PATH)
