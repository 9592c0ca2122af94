# chattr and lsattr work; what was open before is stopped, too, and nobody gets a handle of what mustn't change.
# needs: chattr lsattr
needs_root
cd "$MNT"
echo content > f
chattr +i f
[[ $(lsattr f) == *----i-* ]]
expect_error "Operation not permitted" bash -c 'echo more > f'
is "$(errno_of "os.getxattr('f', 'user.fabric_handle')")" EPERM
is "$(errno_of "os.getxattr('f', 'user.gmemfs.ticket')")" EPERM
is "$(errno_of "os.setxattr('f', 'user.gmemfs.ecc', b'on')")" EPERM
chattr -i f
chattr +a f
is "$(errno_of "os.getxattr('f', 'user.fabric_handle')")" EPERM
echo more >> f
is "$(cat f)" "content
more"
chattr -a f
getfattr -n user.fabric_handle f > /dev/null
python3 - << 'EOF'
import errno, fcntl, mmap, os, struct
def flags(number):
    fcntl.ioctl(fd, 0x40086602, struct.pack("I", number))
def refused(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        assert error.errno == errno.EPERM, error
        return
    raise AssertionError("it was permitted")
fd = os.open("f", os.O_RDWR)
appending = os.open("f", os.O_RDWR | os.O_APPEND)
before = os.fstat(fd).st_ctime_ns
flags(0x10)
assert os.fstat(fd).st_ctime_ns > before
for call in (lambda: os.write(appending, b"x"), lambda: os.pwrite(fd, b"x", 0), lambda: os.ftruncate(fd, 1),
             lambda: os.posix_fallocate(fd, 0, 1 << 20), lambda: os.copy_file_range(fd, fd, 1, 1, 5)):
    refused(call)
flags(0x20)
refused(os.pwrite, fd, b"x", 0)
assert os.write(appending, b"x") == 1
fcntl.fcntl(appending, fcntl.F_SETFL, os.O_RDWR)  # the kernel doesn't know that it may not
refused(os.pwrite, appending, b"x", 0)
with mmap.mmap(appending, 4) as mapped:           # nor that this can't be shared
    mapped[0:1] = b"X"
    try:
        mapped.flush()
    except OSError as error:
        assert error.errno in (errno.EIO, errno.EPERM), error
os.close(appending)
with open("f", "rb") as file:
    assert file.read(1) == b"c"
flags(0)
os.pwrite(fd, b"C", 0)
EOF
is "$(head -c 7 f)" Content
