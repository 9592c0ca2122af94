"""Header: what a .safetensors file begins with, read and written as strictly as the safetensors package 0.8 does.

    8 bytes    length of the header, little-endian
    header     JSON: {"NAME": {"dtype": "F16", "shape": [..], "data_offsets": [begin, end]}, "__metadata__": {..}}
    data       the tensors' bytes, without a gap, to the end of the file

Two spellings are refused that safetensors takes, because its JSON library does, and that nobody writes: an entry as a
list of its three values, and a dtype as {"F16": null}. tests/python/fuzz_safetensors.py compares the two.
"""
import json
import math
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from .dtypes import BY_SAFETENSORS, DType, Shape

HEADER_MAX = 100_000_000
METADATA = "__metadata__"
_DEPTH_MAX = 127     # of lists and objects in each other
_WORD_MAX = 1 << 64  # all numbers are unsigned words of 64 bits, products too
_PREFIX = 8
_FIELDS = {"dtype", "shape", "data_offsets"}


class Entry(NamedTuple):
    dtype: DType
    shape: Shape  # as the header has it: of F4 in values
    begin: int    # within the data
    end: int


class Header(NamedTuple):
    tensors: Dict[str, Entry]
    metadata: Dict[str, str]
    data: int  # where the data begin in the file


class _Object(List[Tuple[str, Any]]):
    """A JSON object, with the names that it has twice."""


def length_of(prefix: bytes, file_size: int) -> int:
    """Of the header, by the first 8 bytes."""
    length = int.from_bytes(prefix, "little")
    if len(prefix) < _PREFIX or length > min(HEADER_MAX, file_size - _PREFIX):
        raise ValueError(f"its header would be {length} bytes")
    return length


def parse(raw: bytes, data_size: int) -> Header:
    """The header's bytes, of a file that has `data_size` bytes after them."""
    tensors: Dict[str, Entry] = {}
    metadata: Optional[_Object] = None
    is_told = False
    for name, value in _load(raw):
        if name != METADATA:
            tensors[name] = _entry(name, value)  # of the same name twice the last one counts
        elif is_told:
            raise ValueError(f"{METADATA} is there twice")
        else:
            metadata, is_told = value, True
    _check_metadata(metadata)
    _check_layout(tensors, data_size)
    return Header(tensors, dict(metadata or ()), _PREFIX + len(raw))


def make(tensors: Mapping[str, Tuple[DType, Shape, int]], metadata: Optional[Mapping[str, str]],
         alignment: int) -> Tuple[bytes, Dict[str, int]]:
    """The file's first bytes, so that the data begin at a multiple of `alignment`, and where in the file each tensor,
    of a type, a shape and a size in bytes, begins. They lie in the order given."""
    header: Dict[str, Any] = {}
    if metadata is not None:
        header[METADATA] = dict(metadata)
        _check_metadata(_Object(header[METADATA].items()))
    offsets: Dict[str, int] = {}
    end = 0
    for name, (dtype, shape, size) in tensors.items():
        if not isinstance(name, str) or name == METADATA:
            raise ValueError(f"no tensor can be called {name!r}: names are text, and {METADATA} is the format's own")
        offsets[name], end = end, end + size
        header[name] = {"dtype": dtype.safetensors, "shape": list(dtype.header_shape(shape)),
                        "data_offsets": [offsets[name], end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False)
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"a name or metadata that isn't Unicode text: {error}") from None
    raw += b" " * (-(_PREFIX + len(raw)) % alignment)
    if len(raw) > HEADER_MAX:
        raise ValueError(f"its header would be {len(raw)} bytes: the format allows {HEADER_MAX}")
    _check_layout(parse(raw, end).tensors, end)
    data = _PREFIX + len(raw)
    return len(raw).to_bytes(_PREFIX, "little") + raw, {name: data + offset for name, offset in offsets.items()}


def _load(raw: bytes) -> _Object:
    text = raw.decode()
    try:
        value = json.loads(text, object_pairs_hook=_Object, parse_int=_parse_int, parse_float=_parse_float,
                           parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError(f"more than {_DEPTH_MAX} lists and objects in each other") from None
    if not isinstance(value, _Object):
        raise ValueError("it is no JSON object")
    if "\\u" in text:  # else there can be no half of a surrogate pair
        _check_value(value, _DEPTH_MAX)
    return value


def _parse_int(text: str) -> Any:
    value = int(text) if len(text) <= 20 else _WORD_MAX  # whatever is larger is no integer of the format
    return _parse_float(text) if value >= _WORD_MAX or text == "-0" else value


def _parse_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} is out of range")
    return value


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _check_value(value: Any, depth: int) -> None:
    """Nowhere, not even where it is ignored, half a surrogate pair, or too deep a nest."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, list):
        if depth == 0:
            raise ValueError(f"more than {_DEPTH_MAX} lists and objects in each other")
        for item in value:
            if isinstance(value, _Object):
                item[0].encode()
                item = item[1]
            if not isinstance(item, (int, float)):
                _check_value(item, depth - 1)


def _check_metadata(value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, _Object):
        raise ValueError(f"{METADATA} is no object")
    for name, text in value:
        if not isinstance(name, str) or not isinstance(text, str):
            raise ValueError(f"{METADATA} has {name!r}: {text!r}: the format wants text")


def _entry(name: str, value: Any) -> Entry:
    if not isinstance(value, _Object):
        raise ValueError(f"{name}: no object")
    fields: Dict[str, Any] = {}
    for field, content in value:
        if field in fields and field in _FIELDS:
            raise ValueError(f"{name}: {field} is there twice")
        if field not in _FIELDS:
            _check_value(content, _DEPTH_MAX - 2)
        fields[field] = content
    if len(fields) < len(_FIELDS) or not _FIELDS <= fields.keys():
        raise ValueError(f"{name}: no {', '.join(sorted(_FIELDS - fields.keys()))}")
    dtype = BY_SAFETENSORS.get(fields["dtype"]) if isinstance(fields["dtype"], str) else None
    if dtype is None:
        raise ValueError(f"{name}: unknown dtype {fields['dtype']!r}")
    shape, offsets = _words(name, "shape", fields["shape"]), _words(name, "data_offsets", fields["data_offsets"])
    if len(offsets) != 2:
        raise ValueError(f"{name}: data_offsets are {len(offsets)} numbers, not 2")
    return Entry(dtype, shape, *offsets)


def _words(name: str, field: str, value: Any) -> Tuple[int, ...]:
    is_list = isinstance(value, list) and not isinstance(value, _Object)
    if not is_list or any(type(word) is not int or word < 0 for word in value):
        raise ValueError(f"{name}: {field} is no list of whole numbers")
    return tuple(value)


def _check_layout(tensors: Mapping[str, Entry], data_size: int) -> None:
    """One after the other, each of its size, to the end of the file."""
    end = 0
    for name, entry in sorted(tensors.items(), key=lambda item: item[1][2:]):
        if entry.begin != end or entry.end < entry.begin:
            raise ValueError(f"{name}: it lies at {entry.begin} to {entry.end}, and what is before it ends at {end}")
        end = entry.end
        bits = entry.dtype.bits // entry.dtype.values
        count = 1
        for length in entry.shape:
            count *= length
            if count >= _WORD_MAX:
                raise ValueError(f"{name}: its shape {list(entry.shape)} is too large")
        if count * bits >= _WORD_MAX or count * bits != 8 * (end - entry.begin):
            raise ValueError(f"{name}: {end - entry.begin} bytes can't be {entry.dtype.safetensors} of shape "
                             f"{list(entry.shape)}")
    if end != data_size:
        raise ValueError(f"the tensors end at {end}, and the file has {data_size} bytes for them")
