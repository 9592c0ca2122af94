# Messages that are none of the protocol's are answered with an error, and hurt nobody.
truncate -s 2M "$MNT/f"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import os, random, struct, sys
from peer import *
mount = sys.argv[1]
EPROTO, EPROTONOSUPPORT = 71, 93
seed = int.from_bytes(os.urandom(4), "little")
print("seed", seed)
rng = random.Random(seed)
peer = Peer(mount)
for message, code in [(b"x", EPROTO), (b"x" * 48, EPROTO), (header(1, 48, version=2) + b"\0" * 32, EPROTONOSUPPORT),
                      (header(1, 24) + b"\0" * 8, EPROTO), (header(2, 48) + b"\0" * 32, EPROTO),
                      (header(9, 16), EPROTO), (b"x" * 60000, EPROTO), (header(1, 47) + b"\0" * 32, EPROTO),
                      (header(1, 48) + b"\0" * 24 + struct.pack("<II", 0, 0), EPROTO),
                      (header(1, 48) + b"\0" * 24 + struct.pack("<II", 3, 4), EPROTO),
                      (header(4, 24) + b"\0" * 8, EPROTO), (header(5, 16), EPROTO)]:
    peer.send(message)
    assert peer.receive().code == code, message[:40]
for _ in range(2000):
    message = bytearray(header(rng.randrange(6), rng.choice([16, 24, 48])) + rng.randbytes(rng.randrange(60)))
    message[rng.randrange(len(message))] ^= 1 << rng.randrange(8)
    peer.send(bytes(message))
    assert peer.receive().code != 0
peer.send(b"")
assert peer.receive() is None, "an empty message is the end"
# Descriptors that nobody asked for are dropped, not kept.
peer = Peer(mount)
socket.send_fds(peer.socket, [b"x"], [0] * 200)
assert peer.receive().code == EPROTO
assert Peer(mount).attach(mount + "/f").code == 0
EOF
