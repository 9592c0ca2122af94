#!/usr/bin/env python3
"""sshd: a server of this user's own on the loopback, with keys of its own.

    start_sshd.py FOLDER    makes FOLDER/config for `ssh -F FOLDER/config here`, prints the server's process number

The server runs until it is killed. Exit status 77, with a reason, where there is none that would let this user in.
"""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

folder = pathlib.Path(sys.argv[1]).resolve()
sshd = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")
if sshd is None or shutil.which("ssh") is None:
    print("skip: no ssh or no sshd here: apt-get install openssh-client openssh-server")
    sys.exit(77)
folder.mkdir()
for name in "host", "user":
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
if os.geteuid() == 0:
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
(folder / "sshd_config").write_text(f"""ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
""")
(folder / "config").write_text(f"""Host here
HostName 127.0.0.1
Port {port}
IdentityFile {folder}/user
IdentitiesOnly yes
UserKnownHostsFile {folder}/known
StrictHostKeyChecking no
LogLevel ERROR
BatchMode yes
""")
with open(folder / "log", "w") as log:
    server = subprocess.Popen([sshd, "-D", "-e", "-f", folder / "sshd_config"], stdin=subprocess.DEVNULL, stdout=log,
                              stderr=log, start_new_session=True)
said = ""
for _ in range(100):
    tried = subprocess.run(["ssh", "-F", folder / "config", "here", "true"], capture_output=True, text=True)
    if tried.returncode == 0:
        print(server.pid)
        sys.exit()
    said = tried.stderr.strip()
    if server.poll() is not None:
        break
    time.sleep(0.1)
server.kill()
print(f"skip: sshd here doesn't let this user in: {said}; {(folder / 'log').read_text().strip()}".replace("\n", " "))
sys.exit(77)
