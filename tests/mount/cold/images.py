"""Images: opens a file's image and takes one, by ioctl(2), as client/wire/file_control.hpp has it."""
import fcntl, os, struct

OPEN = 3 << 30 | 72 << 16 | ord("g") << 8 | 16
TAKE = 3 << 30 | 128 << 16 | ord("g") << 8 | 17
START = 1 << 62


def open_image(fd, may_make=True):
    """Bytes of the image, bytes of the file, and whether the file is packed."""
    size, plain, was_packed = struct.unpack_from("3Q", fcntl.ioctl(fd, OPEN, struct.pack("Q64x", may_make)), 8)
    return size, plain, bool(was_packed)


def read_image(fd, size):
    return b"".join(os.pread(fd, min(1 << 20, size - at), START + at) for at in range(0, size, 1 << 20))


def take_image(fd):
    """The file's size, and what is wrong where it isn't 0."""
    plain, wrong = struct.unpack("Q120s", fcntl.ioctl(fd, TAKE, bytes(128)))
    return plain, wrong.rstrip(b"\0").decode()
