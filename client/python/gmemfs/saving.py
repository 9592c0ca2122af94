"""saving: write a .safetensors file into a gmemfs mount."""
import math
import os
from typing import Any, Mapping as MappingOf, Optional

from . import header as header_
from .copying import Copy, copy_in, write
from .file import Path
from .new_file import new_file
from .safetensors import about
from .sources import Source, source_of

_DATA_ALIGNMENT = 256  # where the data begin in what is written here: DLPack's own wish


def save_safetensors(tensors: MappingOf[str, Any], path: Path, metadata: Optional[MappingOf[str, str]] = None) -> None:
    """Writes torch tensors, CuPy, JAX, NumPy and gmemfs arrays to a new file in the mount, which takes the place of an
    old one when it is whole; of several that save at once the last one wins. What streams still make is waited for.
    What isn't contiguous, or big-endian, is copied; what the format doesn't have is a TypeError."""
    path = os.fsdecode(path)
    try:
        sources = {name: _named_source(name, value) for name, value in tensors.items()}
        # Each begins at a multiple of what divides its size, and that of all before it: so none leaves a gap, none lies
        # where its type can't be loaded from, and all of whole 16 bytes lie where JAX wants them.
        order = sorted(sources, key=lambda name: -math.gcd(sources[name].size, _DATA_ALIGNMENT))
        start, offsets = header_.make({name: sources[name][:3] for name in order}, metadata, _DATA_ALIGNMENT)
    except (ValueError, TypeError) as error:
        raise about(path, error) from None
    end = max([len(start), *(offsets[name] + sources[name].size for name in order)])
    with new_file(path, end) as file:
        write(file.fileno(), start, 0)
        for name in order:
            if sources[name].host is not None:
                write(file.fileno(), sources[name].host, offsets[name])
        copy_in(file, [Copy(source.address, source.size, offsets[name], source.stream)
                       for name, source in sources.items() if source.host is None])
        file.seal()


def _named_source(name: str, value: Any) -> Source:
    try:
        return source_of(value)
    except (ValueError, TypeError) as error:
        raise about(f"{name}", error) from None
