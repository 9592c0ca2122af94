# Times of files that were read and written, and are open yet, are the same after gmemfs restart, to the nanosecond.
# mount: none
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
python3 - "$MNT" << 'PYTHON'
import ctypes, json, mmap, os, select, signal, struct, sys, time
mount = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
def times(name):  # as the server has them, and not as the kernel remembers them
    status = ctypes.create_string_buffer(256)
    AT_FDCWD, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS = -100, 0x2000, 0x7FF
    assert libc.statx(AT_FDCWD, f"{mount}/{name}".encode(), AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, status) == 0
    return [struct.unpack_from("<qI", status, at) for at in (0x40, 0x60, 0x70)]
def server():
    return json.loads(os.getxattr(mount, "user.gmemfs.stats"))["server_pid"]
def make(name):
    fd = os.open(f"{mount}/{name}", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"x" * 4096)
    os.fsync(fd)  # these times are recorded
    return fd
written, read, mapped, idle = names = "written", "read", "mapped", "idle"
fds = {name: make(name) for name in names}
os.utime(f"{mount}/read", (10 ** 9, 2 * 10 ** 9))
before = {name: times(name) for name in names}
time.sleep(0.01)
os.pwrite(fds[written], b"y", 100)
os.pread(fds[read], 1, 0)
memory = mmap.mmap(fds[mapped], 4096)
memory[0] = 7
memory.flush()
now = {name: times(name) for name in names}
changed = [name for name in now if now[name] != before[name]]
assert changed == ["written", "read", "mapped"], changed
# No process is started here: at its exec the descriptors are closed, and times are recorded.
first = server()
ended = os.pidfd_open(first)
os.kill(first, signal.SIGUSR2)
assert select.select([ended], [], [], 20)[0]
assert {name: times(name) for name in now} == now
assert server() != first
PYTHON
"$GMEMFS" umount "$MNT"
