# A thousand peers that attach and are killed at any moment leave no lease, no descriptor and no byte behind.
# timeout: 180
for name in f 1 2 3 4 5 6 7 8 9; do truncate -s 2M "$MNT/$name"; done
pid=$(server_pid)
before=$(ls "/proc/$pid/fd" | wc -l)
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import os, random, signal, sys
from peer import *
mount = sys.argv[1]
seed = int.from_bytes(os.urandom(4), "little")
print("seed", seed)
rng = random.Random(seed)
children = []
for index in range(1000):
    delay = rng.choice([0, 0, 1, 2, 3])
    child = os.fork()
    if child == 0:
        peer = Peer(mount)
        if delay == 3: # an answer of many messages, and nobody reads it
            peer.send(header(4, 48) + os.getxattr(mount, "user.gmemfs.ticket") + struct.pack("<II", DESCRIPTOR, WRITE))
        elif delay:
            answer = peer.attach(mount + "/f", rng.choice([DESCRIPTOR, FABRIC | DESCRIPTOR]), rng.choice([0, WRITE]))
            if delay == 2 and answer.code == 0:
                peer.release(answer.lease)
        signal.pause()
    children.append(child)
    if len(children) > 40:
        victim = children.pop(rng.randrange(len(children)))
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
while counts(mount)[0] == 0:  # they are counted, and so is their end
    os.sched_yield()
for victim in children:
    os.kill(victim, signal.SIGKILL)
    os.waitpid(victim, 0)
wait_for_counts(mount, (0, 0))
EOF
is "$(ls "/proc/$pid/fd" | wc -l)" "$before"
rm "$MNT"/*
is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" 0
