"""Session: the arena of a plan as one file of a mount, and its tensors by name.

    with gmemfs.Session("/mnt/gpu", plan) as session:
        hidden = torch.from_dlpack(session.tensor("hidden"))

A file that has a name has its plan beside it, in a user attribute: so another process finds the tensors there.
"""
import contextlib
import errno
import os
import threading
import time
import weakref
import zlib
from typing import Any, Dict, Iterator, NamedTuple, Optional

from .array import Array
from .file import File, Mapping, Path, open as open_file
from .new_file import first_file
from .planning import Plan

ATTRIBUTE = "user.session.plan"  # JSON, or JSON packed by zlib where it is long
_ATTRIBUTE_MAX = 64 << 10        # bytes: the kernel's limit
_JSON_MAX = 16 << 20             # bytes: none that is longer is unpacked


class SessionStats(NamedTuple):
    """What a session has done so far. Times are of this process, in nanoseconds."""
    tensor_count: int   # tensors given, each counted as often as it was given
    tensor_bytes: int   # and their bytes
    tensor_ns: int      # that all these calls took
    arena_bytes: int
    allocation_ns: int  # that the arena took: made and mapped, or opened and mapped
    fragmentation: float

    @property
    def call_ns(self) -> float:
        """That one call took, on average."""
        return self.tensor_ns / self.tensor_count if self.tensor_count else 0.0


class Session:
    """Owns the arena: close(), or the end of a `with`, unmaps it and removes its file, unless that is kept. Its arrays
    raise ValueError from then on; what frameworks have made of them must not be used any more. One that is dropped
    without close() goes with the last tensor that a framework has. Thread-safe but for close()."""
    _removal: "Optional[weakref.finalize[Any, Session]]" = None

    def __init__(self, path: Path, plan: Plan, *, keep: bool = False) -> None:
        """Allocates the arena in one step. `path` is a new file, or a directory of the mount: then the file has no
        name, and goes with this process, however that ends. `keep`: a file with a name stays when the session closes.

        FileExistsError: there is such a file. OSError(ENOSPC, EDQUOT): the device, or the quota, is too small.
        ValueError: a plan whose table is too long for an attribute, `keep` without a name."""
        path = os.fsdecode(path)
        if not isinstance(plan, Plan):
            raise TypeError(f"gmemfs: a session is made of what gmemfs.plan(...) returns, not of {plan!r}")
        is_named = not os.path.isdir(path)
        if keep and not is_named:
            raise ValueError(f"gmemfs: {path}: it is a directory: what is to be kept needs the name of a file in it")
        value = _pack(path, plan) if is_named else b""
        start_ns = time.perf_counter_ns()
        with _explained(plan, path), first_file(path, plan.peak) as file:
            if is_named:
                os.setxattr(file.fileno(), ATTRIBUTE, value)
            made = os.fstat(file.fileno())
            mapping = file.map()
        self._begin(path, plan, mapping, start_ns)
        if is_named and not keep:
            self._removal = weakref.finalize(self, _remove, path, made, os.getpid())

    @classmethod
    def open(cls, path: Path, plan: Optional[Plan] = None, *, read_only: bool = False) -> "Session":
        """A session that was made by its path and is still there, in whatever process: its tensors, under their names.
        close() leaves the file. `plan`: it must have this one.

        FileNotFoundError: there is no such file. ValueError: it has no plan, another one, or one that isn't its own."""
        start_ns = time.perf_counter_ns()
        with open_file(path) as file:
            found = _read_plan(file)
            if plan is not None and plan != found:
                raise ValueError(f"gmemfs: {file.path}: it was made by another plan ({found._summary()})")
            mapping = file.map(read_only=read_only)
        if mapping.size != found.peak:
            mapping.unmap()
            raise ValueError(f"gmemfs: {mapping.path}: its plan is of another file: that one has {found.peak} bytes, "
                             f"this one {mapping.size}")
        session = cls.__new__(cls)
        session._begin(mapping.path, found, mapping, start_ns)
        return session

    def _begin(self, path: str, plan: Plan, mapping: Mapping, start_ns: int) -> None:
        self.path = path
        self.plan = plan
        self._mapping = mapping
        self._lock = threading.Lock()  # of the counters
        self._allocation_ns = time.perf_counter_ns() - start_ns
        self._tensor_count = self._tensor_bytes = self._tensor_ns = 0

    def tensor(self, name: str) -> Array:
        """The tensor of that name: its bytes of the arena, without a copy. New memory reads as zeros; what another
        tensor has left there stays. KeyError: the plan has none. ValueError: the session is closed."""
        start_ns = time.perf_counter_ns()
        spec = self.plan[name]
        array = self._mapping.array(spec.shape, spec.dtype, self.plan.offsets[name])
        with self._lock:
            self._tensor_count += 1
            self._tensor_bytes += spec.nbytes
            self._tensor_ns += time.perf_counter_ns() - start_ns
        return array

    def tensors(self) -> Dict[str, Array]:
        """All of them, by name."""
        return {spec.name: self.tensor(spec.name) for spec in self.plan.tensors}

    @property
    def mapping(self) -> Mapping:
        """Of the whole arena."""
        return self._mapping

    @property
    def stats(self) -> SessionStats:
        with self._lock:
            return SessionStats(self._tensor_count, self._tensor_bytes, self._tensor_ns, self.plan.peak,
                                self._allocation_ns, self.plan.fragmentation)

    def close(self) -> None:
        """Waits for the work that the devices have. Again: does nothing. Errors as Mapping.unmap()."""
        if self._removal is not None:
            self._removal()
        self._mapping.unmap()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"gmemfs.Session({self.path!r}, {self.plan!r})"


@contextlib.contextmanager
def _explained(plan: Plan, path: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise FileExistsError(error.errno, "there is such a file: gmemfs.Session.open() finds a session's tensors, or "
                              "remove it first", path) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        there = os.statvfs(path if os.path.isdir(path) else os.path.dirname(path) or ".")
        raise OSError(error.errno, f"the plan needs {plan.peak} bytes, and {there.f_bavail * there.f_frsize} are free: "
                      f"remove files there, or plan less ({error.strerror})", path) from None


def _remove(path: str, made: os.stat_result, pid: int) -> None:
    """Unless another file has the name by now. A forked child takes nothing from its parent."""
    with contextlib.suppress(OSError):
        if pid == os.getpid() and os.path.samestat(made, os.lstat(path)):
            os.unlink(path)


def _pack(path: str, plan: Plan) -> bytes:
    text = plan.to_json().encode()
    value = text if len(text) <= _ATTRIBUTE_MAX else zlib.compress(text, 9)
    if len(value) > _ATTRIBUTE_MAX or len(text) > _JSON_MAX:
        raise ValueError(f"gmemfs: {path}: the table of {len(plan.tensors)} tensors takes {len(value)} bytes, and an "
                         f"attribute has room for {_ATTRIBUTE_MAX}: make two sessions, or one in a directory, which "
                         "has no table")
    return value


def _read_plan(file: File) -> Plan:
    try:
        value = os.getxattr(file.fileno(), ATTRIBUTE)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        raise ValueError(f"gmemfs: {file.path}: no session made it: it has no {ATTRIBUTE}") from None
    try:
        if not value.startswith(b"{"):
            value = zlib.decompressobj().decompress(value, _JSON_MAX)
        return Plan.from_json(value.decode())
    except (zlib.error, ValueError) as error:
        raise ValueError(f"gmemfs: {file.path}: {ATTRIBUTE}: {str(error).removeprefix('gmemfs: ')}") from None
