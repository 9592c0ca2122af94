"""Sharding: the part of a model that one rank of several has, as a file on that rank's own device.

    shard = gmemfs.Shard(rank, world, "/mnt/gpu/llama", {"*.q_proj.weight": 0, "*.o_proj.weight": 1})
    weights = gmemfs.load_safetensors("/models/llama.safetensors", framework="torch", shard=shard)

    /models/llama.safetensors                        whole; each rank reads its own part of it alone
    /mnt/gpu/llama/llama.rank-0-of-2.safetensors     a sound safetensors file, on device 0
    /mnt/gpu/llama/llama.rank-1-of-2.safetensors     on device 1

The file stays when the process ends: the next one of that rank maps it, and reads nothing of the source.
"""
import contextlib
import ctypes
import fcntl
import fnmatch
import hashlib
import json
import math
import operator
import os
from dataclasses import dataclass, field
from typing import Dict, Iterator, Mapping, NamedTuple, Optional

from . import _abi
from . import header as header_
from .copying import write
from .dtypes import DType, Shape
from .file import Path
from .filling import Piece, fill
from .new_file import new_file
from .safetensors import about, read_header_of
from .saving import _DATA_ALIGNMENT

_MADE_OF = "user.safetensors.shard"  # of a rank's file: JSON: what it was made of
_LOCK = ".gmemfs-shard.lock"         # in the directory; empty. Byte N is locked by who makes rank N's file


@dataclass(frozen=True)
class Shard:
    """Rank `rank` of `world`, whose files lie in the directory `into` of a mount. `plan`: by patterns of tensors'
    names, as a shell has them for files, the dimension that is split; None, or no pattern: every rank has the whole
    tensor. Of several that fit, the first counts. Of a matrix of (out, in) features 0 is Megatron's column-parallel,
    1 its row-parallel; -1 is the last dimension.

    `device`: the ordinal of the rank's device; None: that of the context that is current, else `rank` modulo how many
    this process sees."""
    rank: int
    world: int
    into: Path
    plan: Mapping[str, Optional[int]] = field(default_factory=dict, hash=False)
    device: Optional[int] = None

    def __post_init__(self) -> None:
        rank, world = operator.index(self.rank), operator.index(self.world)
        if not 0 <= rank < world:
            raise ValueError(f"gmemfs: no rank {rank} of {world}: they count from 0")
        plan: Dict[str, Optional[int]] = {}
        for pattern, dimension in self.plan.items():
            if not isinstance(pattern, str):
                raise TypeError(f"gmemfs: a plan's patterns are texts, not {pattern!r}")
            plan[pattern] = None if dimension is None else operator.index(dimension)
        for name, value in (("rank", rank), ("world", world), ("into", os.fsdecode(self.into)), ("plan", plan)):
            object.__setattr__(self, name, value)

    def path_of(self, source: Path) -> str:
        """The rank's file of this source."""
        name = os.path.basename(os.fsdecode(source)).removesuffix(".safetensors")
        return os.path.join(os.fsdecode(self.into), f"{name}.rank-{self.rank}-of-{self.world}.safetensors")

    def dimension_of(self, name: str) -> Optional[int]:
        return next((dimension for pattern, dimension in self.plan.items() if fnmatch.fnmatchcase(name, pattern)), None)


class _Part(NamedTuple):
    """What a rank has of a tensor. A piece's target is set when its place is known."""
    dtype: DType
    shape: Shape  # in elements
    size: int
    piece: Piece


def _part_of(name: str, entry: header_.Entry, data: int, shard: Shard) -> _Part:
    """`data`: where the source's data begin."""
    start, size = data + entry.begin, entry.end - entry.begin
    dimension = shard.dimension_of(name)
    if dimension is None or shard.world == 1:
        return _Part(entry.dtype, entry.dtype.shape_of(entry.shape), size, Piece(start, 0, size, size, 1))
    shape = list(entry.shape)
    at = dimension + len(shape) if dimension < 0 else dimension
    if not 0 <= at < len(shape):
        raise ValueError(f"the plan splits dimension {dimension}, and its shape is {shape}")
    if shape[at] % shard.world:
        raise ValueError(f"{shard.world} ranks can't share dimension {at} of {shape} evenly")
    rows = math.prod(shape[:at])
    shape[at] //= shard.world
    run, odd = divmod(math.prod(shape[at:]) * entry.dtype.bits, 8 * entry.dtype.values)
    if odd:
        raise ValueError(f"a rank's part of dimension {at} of {list(entry.shape)} would not be whole bytes of "
                         f"{entry.dtype.safetensors}")
    own = entry.dtype.shape_of(tuple(shape))
    return _Part(entry.dtype, own, rows * run, Piece(start + shard.rank * run, 0, run, run * shard.world, rows))


def make_shard(source: Path, shard: Shard) -> str:
    """The path of the rank's file, which is made where there is none of this source and plan on the rank's device."""
    path, target = os.fsdecode(source), shard.path_of(source)
    device = _uuid_of(shard)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        wanted = _made_of(fd, shard)
        if not _is_made(target, wanted, device):
            with _alone(shard):
                if not _is_made(target, wanted, device):  # by who had the lock before
                    _make(fd, path, target, shard, wanted, device)
        return target
    finally:
        os.close(fd)


def _make(fd: int, path: str, target: str, shard: Shard, made_of: bytes, device: str) -> None:
    try:
        raw, data_size = read_header_of(fd)
        header = header_.parse(raw, data_size)
        parts: Dict[str, _Part] = {}
        for name, entry in header.tensors.items():
            try:
                parts[name] = _part_of(name, entry, header.data, shard)
            except ValueError as error:
                raise about(name, error) from None
        order = sorted(parts, key=lambda name: -math.gcd(parts[name].size, _DATA_ALIGNMENT))  # as save_safetensors
        start, offsets = header_.make({name: parts[name][:3] for name in order}, header.metadata or None,
                                      _DATA_ALIGNMENT)
    except ValueError as error:
        raise about(path, error) from None
    end = max([len(start), *(offsets[name] + parts[name].size for name in order)])
    with new_file(target, end, device) as file:
        write(file.fileno(), start, 0)
        try:
            fill(file, fd, [parts[name].piece._replace(target=offsets[name]) for name in order])
        except EOFError:
            raise ValueError(f"gmemfs: {path}: it has become shorter meanwhile") from None
        if _made_of(fd, shard) != made_of:
            raise ValueError(f"gmemfs: {path}: it was written while it was loaded: load it again")
        os.setxattr(file.fileno(), _MADE_OF, made_of)
        file.seal()


def _made_of(fd: int, shard: Shard) -> bytes:
    status = os.fstat(fd)
    plan = hashlib.sha256(json.dumps(list(shard.plan.items())).encode()).hexdigest()
    return json.dumps({"size": status.st_size, "mtime_ns": status.st_mtime_ns, "rank": shard.rank,
                       "world": shard.world, "plan": plan}, separators=(",", ":")).encode()


def _is_made(target: str, made_of: bytes, device: str) -> bool:
    try:
        there = os.getxattr(target, "user.gmemfs.device").decode(errors="replace")
        return os.getxattr(target, _MADE_OF) == made_of and (there == device or not there.startswith("GPU-"))
    except OSError:  # none, or of somebody else's making
        return False


@contextlib.contextmanager
def _alone(shard: Shard) -> Iterator[None]:
    """No other process makes this rank's file meanwhile. Where the lock can't be had (another user's), the last one
    that makes it wins."""
    try:
        fd = os.open(os.path.join(os.fsdecode(shard.into), _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        yield
        return
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX, 1, shard.rank)
        yield
    finally:
        os.close(fd)


def _uuid_of(shard: Shard) -> str:
    driver = _abi.driver()
    driver.call("cuInit", 0)
    device, count = ctypes.c_int(), ctypes.c_int()
    ordinal = shard.device
    if ordinal is None and driver.has_context():
        driver.call("cuCtxGetDevice", ctypes.byref(device))
    else:
        driver.call("cuDeviceGetCount", ctypes.byref(count))
        ordinal = shard.rank % max(count.value, 1) if ordinal is None else operator.index(ordinal)
        if not 0 <= ordinal < count.value:
            raise ValueError(f"gmemfs: no device {ordinal}: this process sees {count.value}")
        driver.call("cuDeviceGet", ctypes.byref(device), ordinal)
    uuid = (ctypes.c_ubyte * 16)()
    driver.call("cuDeviceGetUuid_v2", uuid, device)
    digits = bytes(uuid).hex()
    return "GPU-" + "-".join(digits[begin:end] for begin, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))
