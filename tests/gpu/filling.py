"""Filling: files of random bytes that tests of a GPU copy about."""
import os


def fill(path, size):
    """Random bytes, and the same again and again, each 64 MiB with its number."""
    piece = bytearray(os.urandom(64 << 20))
    with open(path, "wb") as file:
        file.truncate(size)
        for start in range(0, size, len(piece)):
            piece[:8] = start.to_bytes(8, "little")
            file.write(piece[: min(len(piece), size - start)])
