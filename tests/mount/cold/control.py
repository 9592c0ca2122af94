"""Control: packs and wakes files by ioctl(2), as client/wire/file_control.hpp has it."""
import errno, fcntl, os, struct

PACK, WAKE = (3 << 30 | 24 << 16 | ord("g") << 8 | number for number in (5, 6))


def control(path, request):
    """Bytes that the file takes when it is awake, bytes that it takes now, and whether it is packed."""
    fd = os.open(path, os.O_RDONLY)
    try:
        plain, held, packed = struct.unpack("3Q", fcntl.ioctl(fd, request, bytes(24)))
        return plain, held, bool(packed & 1)
    finally:
        os.close(fd)


def pack(path):
    return control(path, PACK)


def wake(path):
    return control(path, WAKE)


def is_known(path):
    """False: not of this filesystem."""
    try:
        wake(path)
    except OSError as error:
        if error.errno != errno.ENOTTY:
            raise
        return False
    return True
