"""Peer: a client of the broker in plain Python, as docs/broker.md describes it, and nothing of libgmemfs."""
import os
import socket
import struct

FABRIC, DESCRIPTOR = 1, 2
WRITE, EXCLUSIVE = 1, 2
MAGIC, VERSION = 0x53464D47, 1
HEADER, ANSWER, EXTENT = "<IHHII", "<iIIIQQQ160s", "<QQQ16sII64s"


def header(kind, size, version=VERSION):
    return struct.pack(HEADER, MAGIC, version, kind, size, 0)


class Answer:
    def __init__(self, message, fds):
        self.code, self.extent_count, self.first, self.count, self.lease, self.size, self.allocated, text = \
            struct.unpack_from(ANSWER, message, 16)
        self.text = text.split(b"\0")[0].decode()
        self.extents = [struct.unpack_from(EXTENT, message, 216 + 112 * index) for index in range(self.count)]
        self.fds = fds


class Entry(Answer):
    """A file of a directory."""

    def __init__(self, message, fds):
        super().__init__(message[:216] + message[480:], fds)
        self.index, self.file_count, name = struct.unpack_from("<II256s", message, 216)
        self.name = name.split(b"\0")[0].decode()


class Peer:
    def __init__(self, mount):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        address = os.getxattr(mount, "user.gmemfs.socket").decode()
        self.socket.connect("\0" + address[1:] if address[0] == "@" else f"{mount}/.gmemfs.socket")
        self.socket.settimeout(20)  # not before: then connect wouldn't wait for room in the queue

    def send(self, message):
        self.socket.send(message)

    def receive(self):
        message, fds, _, _ = socket.recv_fds(self.socket, 65536, 253)
        return Answer(message, fds) if message else None

    def attach(self, path, handles=DESCRIPTOR, lease=0):
        """The last part of the answer, with the extents and descriptors of all."""
        return self.attach_ticket(os.getxattr(path, "user.gmemfs.ticket"), handles, lease)

    def attach_ticket(self, ticket, handles=DESCRIPTOR, lease=0):
        self.send(header(1, 48) + ticket + struct.pack("<II", handles, lease))
        answer = self.receive()
        while answer.code == 0 and len(answer.extents) < answer.extent_count:
            part = self.receive()
            answer.extents += part.extents
            answer.fds += part.fds
        return answer

    def ask_directory(self, ticket, handles=DESCRIPTOR, lease=0):
        """The first message of the answer: an Entry, or an Answer about the directory."""
        self.send(header(4, 48) + ticket + struct.pack("<II", handles, lease))
        return self.receive_entry()

    def receive_entry(self):
        message, fds, _, _ = socket.recv_fds(self.socket, 65536, 253)
        return (Entry if struct.unpack_from("<H", message, 6)[0] == 5 else Answer)(message, fds)

    def attach_directory(self, path, handles=DESCRIPTOR, lease=0):
        """Entries by name."""
        entry = self.ask_directory(os.getxattr(path, "user.gmemfs.ticket"), handles, lease)
        if not isinstance(entry, Entry):
            assert entry.code == 0, entry.text
            return {}
        entries = {}
        while True:
            while entry.code == 0 and len(entry.extents) < entry.extent_count:
                part = self.receive_entry()
                entry.extents += part.extents
                entry.fds += part.fds
            entries[entry.name] = entry
            if entry.index + 1 == entry.file_count:
                return entries
            entry = self.receive_entry()

    def donate(self, directory, name, size, descriptors, device=b"GMEMFS-SIM".ljust(16, b"\0"), flags=0):
        self.send_donation(os.getxattr(directory, "user.gmemfs.ticket"), name, size, descriptors, device, flags)
        return self.receive()

    def send_donation(self, ticket, name, size, descriptors, device=b"GMEMFS-SIM".ljust(16, b"\0"), flags=0):
        message = header(6, 328) + ticket + device + struct.pack("<QII256s", size, flags, 0, name)
        socket.send_fds(self.socket, [message], descriptors)

    def release(self, lease):
        self.send(header(2, 24) + struct.pack("<Q", lease))
        return self.receive().code

    def close(self):
        self.socket.close()


def fork_and_let_go(mount, paths, lease):
    """A child that attaches these files, closes its connection without a release, and lives on until it is killed, or
    the descriptor that comes with its number is closed."""
    from_child, child_writes = os.pipe()
    child_reads, to_child = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(to_child)
        peer = Peer(mount)
        for path in paths:
            assert peer.attach(path, lease=lease).code == 0
        peer.close()
        os.write(child_writes, b"1")
        os.read(child_reads, 1)
        os._exit(0)
    os.close(child_writes)
    assert os.read(from_child, 1) == b"1"
    return child, to_child


def counts(mount):
    """Peers and leases, as the server counts them."""
    import json
    stats = json.loads(os.getxattr(mount, "user.gmemfs.stats"))
    return stats["peers"], stats["leases"]


def wait_for_counts(mount, expected):
    """The server learns of an end a moment later; the runner's timeout ends what never comes."""
    while counts(mount) != expected:
        os.sched_yield()
