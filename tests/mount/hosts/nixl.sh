# pull and push by NIXL between two network namespaces: right bytes, a folder, what differs alone; over a slow and lossy net; and
# with either side and either helper killed at random, 50 times. Where it can't be used, one line says why, and ssh does it.
# size: 512M
# needs: ip nsenter tc
# timeout: 300
needs_nixl
two_hosts 10.78.0
printf '#!/bin/sh\nshift\nexec nsenter --net=/run/netns/%s "$@"\n' "$there" > rsh
chmod +x rsh
here_as_host
at_home() { nsenter --net="/run/netns/$here" "$@"; }
export UCX_TLS=tcp UCX_NET_DEVICES=eth0
mkdir other
GMEMFS_SIM_MACHINE=$GMEMFS_SIM_MACHINE-other GMEMFS_SIM_DEVICES=256M,256M "$GMEMFS" mount other --simulate --device all --handles=fd
random_bytes 60000000 > other/file

is "$(at_home pull --json --via nixl host:"$PWD/other/file" "$MNT/file" | json 'd["transport"], d["bytes"], d["failures"]')" \
    "('nixl', 60000000, 0)"
cmp other/file "$MNT/file"
mkdir other/many other/many/deep
for number in 1 2 3; do random_bytes 9000000 > "other/many/deep/$number"; done
echo small > other/many/small
is "$(at_home pull -r --json --via nixl host:"$PWD/other/many" "$MNT/many" | json 'd["transport"], d["files"]')" "('nixl', 4)"
diff -r other/many "$MNT/many"
is "$(at_home push -r --json --via nixl "$MNT/many" host:"$PWD/other/back" | json 'd["transport"], d["files"]')" "('nixl', 4)"
diff -r other/many other/back
printf x | dd of=other/file bs=1 seek=40000000 conv=notrunc status=none
is "$(at_home pull --resume --json --via nixl host:"$PWD/other/file" "$MNT/file" | json 'd["transport"], d["bytes"]')" "('nixl', 16777216)"
cmp other/file "$MNT/file"

# auto takes it where all of the host's addresses are trusted.
auto() { at_home pull --json "$@" 10.78.0.1:"$PWD/other/file" "$MNT/auto" 2> said | json 'd["transport"]'; }
is "$(auto)" ssh
is "$(auto --trusted-net=10.79.0.0/16)" ssh
is "$(auto --trusted-net=10.79.0.0/16,10.78.0.0/24)" nixl
grep "fabric can't be used, going on by nixl" said
cmp other/file "$MNT/auto"
rm "$MNT/auto"

# A slow and lossy net, where this kernel has one: right all the same.
if tc -n "$there" qdisc add dev eth0 root netem delay 5ms loss 0.5% rate 400mbit; then
    is "$(at_home pull --json --via nixl host:"$PWD/other/file" "$MNT/again" | json 'd["transport"]')" nixl
    cmp other/file "$MNT/again"
    rm "$MNT/again"
    tc -n "$there" qdisc del dev eth0 root
fi

# No room: the file's error, not the transport's.
random_bytes 150000000 > other/large
mkdir small
mount -t tmpfs -o size=30M none small
expect_error "No space left on device" at_home pull --via nixl host:"$PWD/other/large" "$PWD/small/large"
nothing ls -A small
umount small

# No NIXL there: by name an error.
expect_error "nixl can't be used" env GMEMFS_NIXL=/nowhere nsenter --net="/run/netns/$here" pull --via nixl host:"$PWD/other/file" "$MNT/none"
fails test -e "$MNT/none"

python3 - "$PWD/other/file" "$MNT" "$here" << 'END'
import hashlib, os, random, signal, subprocess, sys, time
there, mount, netns = sys.argv[1:]
seed = int.from_bytes(os.urandom(4), "little")
print("seed", seed, flush=True)
random.seed(seed)
here = mount + "/killed"
def digest(path):
    with open(path, "rb") as file: return hashlib.file_digest(file, "sha256").hexdigest()
right = digest(there)
def family(pid):
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as file:
            for child in file.read().split(): found += family(int(child))
    return found
killed = whole = 0
for round in range(50):
    pull = subprocess.Popen(["nsenter", f"--net=/run/netns/{netns}", "pull", "--via", "nixl", "host:" + there, here],
                            stderr=subprocess.PIPE, text=True)
    time.sleep(random.random() * 1.2)
    try: os.kill(random.choice(family(pull.pid)), signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError): pass # it has ended
    said = pull.communicate(timeout=60)[1]
    if pull.returncode == 0: whole += 1
    else: killed += 1
    if os.path.exists(here):
        assert digest(here) == right, round
        os.unlink(here)
    else: assert pull.returncode != 0, said
print("killed", killed, "whole", whole)
assert killed >= 10
subprocess.run(["nsenter", f"--net=/run/netns/{netns}", "pull", "--via", "nixl", "host:" + there, here], check=True)
assert digest(here) == right
END
