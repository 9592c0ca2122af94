# nixl_engine: the checks of nixl_engine.sh: pairs of nixl-drive, one in each network namespace.
import hashlib, os, signal, subprocess, time

BUILD, GMEMFS, MNT = (os.environ[name] for name in ("BUILD", "GMEMFS", "MNT"))
SECONDS = 8 # within which both ends must know; the silence of a lost host takes longer
SIZE = 80_000_000
# A copy of 4 MiB takes so long at the source: a transfer is under way long enough to be met there.
SLOW = {"GMEMFS_SIM_FAULTS": "cuMemcpyDtoHAsync~100ms"}


class End:
    """One end: a nixl-drive, its helper, and the lines that it prints."""

    def __init__(self, host, *words, env=None):
        machine = {"GMEMFS_SIM_MACHINE": os.environ["OTHER_MACHINE"]} if words[1].startswith("other/") else {}
        command = ["nsenter", f"--net=/run/netns/{os.environ[host]}", f"{BUILD}/nixl-drive", GMEMFS, *words]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **machine, **(env or {})})
        first = self.line()
        if not first.startswith("helper "):
            raise SystemExit(f"{words}: {first}")
        self.helper = int(first.split()[1])

    def line(self):
        return self.process.stdout.readline().strip()

    def said(self):
        """The last line, in time."""
        start, lines = time.monotonic(), self.process.stdout.read().splitlines()
        self.process.wait()
        assert time.monotonic() - start < SECONDS, f"it took {time.monotonic() - start} s"
        assert not is_alive(self.helper), self.helper
        return lines[-1] if lines else ""


def is_alive(pid):
    return os.path.exists(f"/proc/{pid}")


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make(path, data=b"", device=None):
    with open(path, "wb"):
        pass
    if device:
        os.setxattr(path, "user.gmemfs.device", device)
    with open(path, "r+b") as file:
        file.write(data)
        file.truncate(max(len(data), SIZE))


def start(source, target, *ranges, env=None):
    target_end = End("HERE", "target", target, str(os.path.getsize(target)))
    source_end = End("THERE", "source", source, *ranges, env=env)
    print(target_end.line(), file=source_end.process.stdin, flush=True)
    return source_end, target_end


def is_under_way(source_end):
    """Waits until bytes have moved; fails where it is over by then."""
    line = source_end.line()
    assert line.startswith("moved ") and int(line.split()[1]) < SIZE, line


def expect(end, *texts):
    said = end.said()
    assert all(text in said for text in texts), (texts, said)


def main():
    data = os.urandom(SIZE)
    source, target = "other/model", f"{MNT}/model"
    make(source, data, b"spread:0-1")
    make(target)

    ends = start(source, target)
    for end in ends:
        expect(end, "done: staging: a simulated device's memory is the host's")
    assert digest(target) == hashlib.sha256(data).hexdigest()

    # Ranges alone; the bytes between them stay. And from a mount to a host's file, and back, onto two devices.
    make(target)
    for end in start(source, target, "1:5", "4000000:9000001", f"{SIZE - 3}:3"):
        expect(end, "done: ")
    wanted = bytearray(SIZE)
    for offset, length in ((1, 5), (4000000, 9000001), (SIZE - 3, 3)):
        wanted[offset:offset + length] = data[offset:offset + length]
    assert digest(target) == hashlib.sha256(wanted).hexdigest()
    make("plain")
    for end in start(target, "plain"):
        expect(end, "done: ")
    assert digest("plain") == hashlib.sha256(wanted).hexdigest()
    make("other/back", device=b"spread:0-1")
    for end in start("plain", "other/back"):
        expect(end, "done: ")
    assert digest("other/back") == hashlib.sha256(wanted).hexdigest()

    # Whoever is killed: its caller knows how, the other host knows that.
    ends = start(source, target, env=SLOW)
    is_under_way(ends[0])
    os.kill(ends[0].helper, signal.SIGKILL)
    expect(ends[0], "failed: EPIPE", "it was killed (Killed)")
    expect(ends[1], "failed: ECONNRESET")

    ends = start(source, target, env=SLOW)
    is_under_way(ends[0])
    os.kill(ends[1].helper, signal.SIGKILL)
    expect(ends[1], "failed: EPIPE", "it was killed (Killed)")
    expect(ends[0], "failed: ECONNRESET")

    for victim in (0, 1): # the caller: its helper ends with it
        ends = start(source, target, env=SLOW)
        is_under_way(ends[0])
        ends[victim].process.kill() # nsenter(1) has become nixl-drive
        expect(ends[1 - victim], "failed: ECONNRESET")
        ends[victim].process.wait()
        end = time.monotonic() + SECONDS
        while is_alive(ends[victim].helper):
            assert time.monotonic() < end, "the helper is left"
            time.sleep(0.01)

    # A helper that hangs is ended, too, by a caller that has lost patience.
    ends = start(source, target, env=SLOW)
    is_under_way(ends[0])
    os.kill(ends[1].helper, signal.SIGSTOP)
    ends[1].process.terminate()
    expect(ends[1], "failed: ETIMEDOUT")
    expect(ends[0], "failed: ECONNRESET")

    for victim in (0, 1):
        ends = start(source, target, env=SLOW)
        is_under_way(ends[0])
        ends[victim].process.terminate()
        expect(ends[victim], "failed: EINTR")
        expect(ends[1 - victim], "failed: ECONNRESET", "interrupted")

    # No room: the target knows why, and tells it.
    os.mkdir("small")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", "small"], check=True)
    try:
        make("small/file")
        ends = start(source, "small/file")
        expect(ends[1], "failed: ENOSPC")
        expect(ends[0], "failed: ECONNRESET")
    finally:
        subprocess.run(["umount", "small"], check=True)

    # The source's file is shorter than what is asked for; and an answer of expect() that was changed on the way.
    ends = start("plain", target, f"{SIZE - 1}:2")
    expect(ends[0], "failed: EINVAL")
    ends[1].process.terminate()
    expect(ends[1], "failed: EINTR")
    end = End("THERE", "source", source)
    print("00" * 300, file=end.process.stdin, flush=True)
    expect(end, "failed: EPROTO")


main()
