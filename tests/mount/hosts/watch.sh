# pull --watch: each version that is published there by rename arrives here by rename, alone and soon; new names do, too.
# timeout: 120
here_as_host
mkdir there
echo 0 > there/weights
echo fixed > there/config
python3 - "$GMEMFS" "$RSH" "$PWD/there" "$MNT/model" << 'END'
import json, os, signal, subprocess, sys, time
gmemfs, rsh, there, here = sys.argv[1:]
pull = subprocess.Popen([gmemfs, "pull", "-r", "--watch", "--json", "-e", rsh, "--remote-program", gmemfs, "host:" + there, here],
                        stdout=subprocess.PIPE, text=True)
def publish(name, data):
    with open(there + "/.new", "wb") as file: file.write(data)
    os.rename(there + "/.new", f"{there}/{name}")
def wait_for(name, data):
    """Lines that were printed until the file is there; while it isn't, the old one is whole."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            with open(f"{here}/{name}", "rb") as file: found = file.read()
        except FileNotFoundError: found = None
        if found == data: return
        assert found is None or found in versions, f"{len(found)} bytes that nobody has published"
    raise AssertionError(f"{name} doesn't come")
versions = {b"0\n", b"fixed\n"}
wait_for("weights", b"0\n")
first = json.loads(pull.stdout.readline())
assert first["files"] == 2, first
config = os.stat(here + "/config").st_ino
for number in range(1, 21):
    data = b"%d" % number * 300000
    versions.add(data)
    publish("weights", data)
    wait_for("weights", data)
publish("more", b"a new name")
versions.add(b"a new name")
wait_for("more", b"a new name")
os.mkdir(there + "/deep")
publish("deep/one", b"a new folder")
versions.add(b"a new folder")
wait_for("deep/one", b"a new folder")
publish("deep/one", b"0\n") # a folder that is watched by now
wait_for("deep/one", b"0\n")
assert os.stat(here + "/config").st_ino == config # what is as it was doesn't come again
pull.send_signal(signal.SIGINT)
assert pull.wait(timeout=10) == 130
files = sum(json.loads(line)["files"] for line in pull.stdout)
assert 23 <= files <= 27, files

# The source dies: the receiver says so.
pull = subprocess.Popen([gmemfs, "pull", "-r", "--watch", "-e", rsh, "--remote-program", gmemfs, "host:" + there, here],
                        stderr=subprocess.PIPE, text=True)
publish("weights", b"5" * 10)
versions.add(b"5" * 10)
wait_for("weights", b"5" * 10)
with open(f"/proc/{pull.pid}/task/{pull.pid}/children") as file: child = int(file.read().split()[0])
os.kill(child, signal.SIGKILL)
said = pull.communicate(timeout=10)[1]
assert pull.returncode == 1 and "was killed" in said, said
END
