#!/usr/bin/env bash
# NIXL 1.5.1 (nixl-cu13): the POSIX backend fails a read or a write of more than 2,147,479,552 bytes (2 GiB less 4
# KiB) by one descriptor. That is the most that Linux moves by one system call, and NIXL takes the short count for a
# failure instead of going on from there. The transfer ends with NIXL_ERR_BACKEND after those bytes have come: only
# the end of the buffer is missing. initialize_xfer takes such a descriptor without a word, and each of the backend's
# queues does so: use_aio and use_posix_aio here, use_uring (which not every machine has) as well.
# A way round: several descriptors in one transfer, none of them longer.
#
# Installs NIXL and NumPy from PyPI (0.3 GB; without PyTorch, which this doesn't use) into a temporary folder; takes 2
# GiB of memory; needs no GPU and nothing of this repository. Exit status 0 where it is as described, 1 where it has
# changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --root-user-action=ignore --no-deps --target "$folder/packages" nixl-cu13==1.5.1 numpy==2.2.6
cat > "$folder/show.py" <<'P'
import importlib.metadata, os, sys
import numpy
from nixl_cu13._api import nixl_agent, nixl_agent_config
from nixl_cu13._bindings import nixlBackendError

MOST = 0x7FFFF000
path = sys.argv[1]


def read(queue, file, buffer, parts):
    """Reads the file's start into the buffer by one transfer, with a descriptor for each part; returns how it ended."""
    agent = nixl_agent("reader", nixl_agent_config(backends=[]))
    agent.create_backend("POSIX", {queue: "true"})
    address = buffer.ctypes.data
    agent.register_memory([(address, buffer.nbytes, 0, "")], "DRAM", backends=["POSIX"])
    agent.register_memory([(0, buffer.nbytes, file, "")], "FILE", backends=["POSIX"])
    offsets = [sum(parts[:index]) for index in range(len(parts))]
    memory = agent.get_xfer_descs([(address + at, size, 0) for at, size in zip(offsets, parts)], "DRAM")
    source = agent.get_xfer_descs([(at, size, file) for at, size in zip(offsets, parts)], "FILE")
    transfer = agent.initialize_xfer("READ", memory, source, "reader")
    try:
        state = agent.transfer(transfer)
        while state == "PROC":
            state = agent.check_xfer_state(transfer)
    except nixlBackendError as error:
        state = str(error)
    agent.release_xfer_handle(transfer)
    return state


size = MOST + 4096
with open(path, "wb") as file:
    file.truncate(size)
file = os.open(path, os.O_RDONLY)
buffer = numpy.empty(size, dtype="u1")
same = True
for queue in ("use_aio", "use_posix_aio"):
    for parts, wanted in (([size], ("NIXL_ERR_BACKEND", 4096)), ([MOST], ("DONE", 4096)), ([MOST, 4096], ("DONE", 0))):
        buffer.fill(0xAA)
        state = read(queue, file, buffer, parts)
        left = int(numpy.count_nonzero(buffer))
        print(f"nixl-cu13 {importlib.metadata.version('nixl-cu13')}, {queue}, descriptors of {parts} bytes: {state}, "
              f"{size - left} bytes have come")
        same &= (state, left) == wanted
if not same:
    print("it isn't so any more", file=sys.stderr)
sys.exit(not same)
P
NIXL_LOG_LEVEL=ERROR PYTHONPATH="$folder/packages" python3 "$folder/show.py" "$folder/file"
