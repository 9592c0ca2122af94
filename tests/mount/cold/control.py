"""Control: packs and wakes files by ioctl(2), as client/wire/file_control.hpp has it."""
import errno, fcntl, os, struct

PACK, WAKE, PACK_BY = (3 << 30 | 24 << 16 | ord("g") << 8 | number for number in (5, 6, 9))
OWN, ANS = 1, 2


def control(path, request, codec=0):
    """Bytes that the file takes when it is awake, bytes that it takes now, and whether it is packed."""
    fd = os.open(path, os.O_RDONLY)
    try:
        plain, held, packed = struct.unpack("3Q", fcntl.ioctl(fd, request, struct.pack("3Q", 0, 0, codec)))
        return plain, held, bool(packed & 1)
    finally:
        os.close(fd)


def pack(path):
    return control(path, PACK)


def pack_by_ans(path):
    return control(path, PACK_BY, ANS)


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
