# pull with either side killed at random, 50 times: never a part under the name, never a wrong byte; the next one goes on.
# size: 512M
# timeout: 240
here_as_host
mkdir there
random_bytes 48000000 > there/file
python3 - "$GMEMFS" "$RSH" "$PWD/there/file" "$MNT" << 'END'
import hashlib, os, random, signal, subprocess, sys, time
gmemfs, rsh, there, mount = sys.argv[1:]
seed = int.from_bytes(os.urandom(4), "little")
print("seed", seed, flush=True)
random.seed(seed)
here = mount + "/file"
right = hashlib.sha256(open(there, "rb").read()).hexdigest()
def digest(path): return hashlib.sha256(open(path, "rb").read()).hexdigest()
def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file: return [int(child) for child in file.read().split()]
killed = whole = 0
for round in range(50):
    options = ["--resume"] if round % 2 else []
    pull = subprocess.Popen([gmemfs, "pull", *options, "-e", rsh, "--remote-program", gmemfs, "host:" + there, here],
                            stderr=subprocess.PIPE, text=True)
    time.sleep(random.random() * 0.4)
    try:
        victim = random.choice([pull.pid, *children(pull.pid)])
        os.kill(victim, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        victim = 0 # it has ended
    said = pull.communicate(timeout=30)[1]
    if pull.returncode == 0: whole += 1
    else: killed += 1
    if victim not in (0, pull.pid) and pull.returncode != 0: assert said.count("\n") == 1 and "ended" in said or "killed" in said, said
    if os.path.exists(here):
        assert digest(here) == right, round
        os.unlink(here)
    names = sorted(os.listdir(mount))
    assert set(names) <= {".gmemfs-part.file"} or all(n.startswith(".gmemfs-") for n in names), names
print("killed", killed, "whole", whole)
assert killed >= 10
subprocess.run([gmemfs, "pull", "--resume", "-e", rsh, "--remote-program", gmemfs, "host:" + there, here], check=True)
assert digest(here) == right
END
