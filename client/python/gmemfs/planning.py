"""Planning: one arena for tensors whose sizes and lifetimes are known ahead, and an offset in it for each.

    plan = gmemfs.plan([gmemfs.TensorSpec("weights", (4096, 4096), "float16"),
                        gmemfs.TensorSpec("hidden", (1, 4096), "float16", (0, 1))])

It needs neither a mount nor a device. gmemfs.Session makes the arena.
"""
import functools
import json
import operator
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from .dtypes import count_of, dtype_of, shape_from, size_of
from .placing import Block, most_alive, place

ALIGNMENT = 512  # bytes: of every offset, as of what cudaMalloc gives
_FORMAT = "gmemfs plan 1"
_FOREVER = (0, (1 << 63) - 1)


@dataclass(frozen=True)
class TensorSpec:
    """A tensor that is to be. `shape` in elements, none of them 0; () is one element. `dtype` as in gmemfs.tensor.
    `lifetime`: the first and the last step that uses it, both included, 0 or more; None: all steps.

    ValueError, TypeError: of what no tensor can have."""
    name: str
    shape: Sequence[int]
    dtype: Any
    lifetime: Optional[Tuple[int, int]] = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"gmemfs: a tensor's name is a text that isn't empty, not {self.name!r}")
        try:
            dtype = dtype_of(self.dtype)
            shape = shape_from(self.shape)
            if not count_of(shape):
                raise ValueError(f"shape {shape} has no elements, and needs no memory: leave it out of the plan")
            size_of(dtype, shape)
            lifetime = None if self.lifetime is None else _lifetime_from(self.lifetime)
        except (ValueError, TypeError) as error:
            raise type(error)(f"gmemfs: tensor {self.name!r}: {str(error).removeprefix('gmemfs: ')}") from None
        for field, value in (("shape", shape), ("dtype", dtype.name), ("lifetime", lifetime)):
            object.__setattr__(self, field, value)

    @property
    def nbytes(self) -> int:
        return size_of(dtype_of(self.dtype), shape_from(self.shape))

    @property
    def steps(self) -> Tuple[int, int]:
        return self.lifetime or _FOREVER


def _lifetime_from(lifetime: Any) -> Tuple[int, int]:
    try:
        first, last = (operator.index(step) for step in lifetime)
    except (ValueError, TypeError):
        raise TypeError(f"a lifetime is (first step, last step), not {lifetime!r}") from None
    if first < 0:
        raise ValueError(f"lifetime {(first, last)} begins before step 0")
    if last < first:
        raise ValueError(f"lifetime {(first, last)} ends before it begins")
    if last > _FOREVER[1]:
        raise ValueError(f"lifetime {(first, last)} ends after step {_FOREVER[1]}")
    return first, last


@dataclass(frozen=True, repr=False)
class Plan:
    """A value: tensors, and the offset of each in the arena, in bytes, in the same order. print() shows a table."""
    tensors: Tuple[TensorSpec, ...]
    places: Tuple[int, ...]

    def __post_init__(self) -> None:
        names = [spec.name for spec in self.tensors]
        if len(set(names)) < len(names):
            raise ValueError(f"gmemfs: two tensors have one name: {next(n for n in names if names.count(n) > 1)!r}")

    @functools.cached_property
    def offsets(self) -> Dict[str, int]:
        """By name, bytes from the arena's start: multiples of 512."""
        return {spec.name: offset for spec, offset in zip(self.tensors, self.places)}

    @functools.cached_property
    def peak(self) -> int:
        """Bytes of the arena: where the last tensor ends."""
        return max((offset + spec.nbytes for spec, offset in zip(self.tensors, self.places)), default=0)

    @functools.cached_property
    def lower_bound(self) -> int:
        """The largest sum of bytes that live at one step. No arena is smaller, whoever plans it."""
        return most_alive([Block(spec.nbytes, *spec.steps) for spec in self.tensors])

    @property
    def total(self) -> int:
        """Bytes of all tensors: what they would take if none shared memory with another."""
        return sum(spec.nbytes for spec in self.tensors)

    @property
    def fragmentation(self) -> float:
        """The part of the arena, 0 to 1, that even its fullest step leaves unused; what alignment takes is in it."""
        return 1 - self.lower_bound / self.peak if self.peak else 0.0

    def __getitem__(self, name: str) -> TensorSpec:
        try:
            return self._by_name[name]
        except KeyError:
            raise KeyError(f"gmemfs: no tensor {name!r} in the plan; {len(self.tensors)} are") from None

    @functools.cached_property
    def _by_name(self) -> Dict[str, TensorSpec]:
        return {spec.name: spec for spec in self.tensors}

    def __str__(self) -> str:
        rows = [("tensor", "dtype", "shape", "steps", "offset", "bytes")]
        for spec, offset in sorted(zip(self.tensors, self.places), key=lambda pair: (pair[1], pair[0].steps)):
            rows.append((spec.name, spec.dtype, "x".join(map(str, spec.shape)) or "1",
                         "all" if spec.lifetime is None else "{}-{}".format(*spec.lifetime),
                         f"{offset:,}", f"{spec.nbytes:,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(6)]
        lines = ["  ".join(text.ljust(width) if column < 4 else text.rjust(width)
                           for column, (text, width) in enumerate(zip(row, widths))) for row in rows]
        return "\n".join([*lines, self._summary()])

    def __repr__(self) -> str:
        return f"gmemfs.Plan({self._summary()})"

    def _summary(self) -> str:
        return (f"peak {self.peak:,} bytes, lower bound {self.lower_bound:,}, fragmentation {self.fragmentation:.1%}; "
                f"{len(self.tensors)} tensors of {self.total:,} bytes")

    def to_json(self) -> str:
        entries = [{"name": spec.name, "dtype": spec.dtype, "shape": spec.shape, "lifetime": spec.lifetime,
                    "offset": offset} for spec, offset in zip(self.tensors, self.places)]
        return json.dumps({"format": _FORMAT, "peak": self.peak, "tensors": entries}, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> "Plan":
        """ValueError: it is no plan. It may come from anybody: nothing in it is believed."""
        try:
            value = json.loads(text)
            if value["format"] != _FORMAT:
                raise ValueError(f"its format is {value['format']!r}, not {_FORMAT!r}")
            made = Plan(tuple(TensorSpec(entry["name"], entry["shape"], entry["dtype"], entry["lifetime"])
                              for entry in value["tensors"]),
                        tuple(operator.index(entry["offset"]) for entry in value["tensors"]))
            are_aligned = all(offset >= 0 and offset % ALIGNMENT == 0 for offset in made.places)
            if not (are_aligned and made.peak == value["peak"] < 1 << 63):
                raise ValueError("its offsets can't be")
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"gmemfs: no plan: {str(error).removeprefix('gmemfs: ')}") from None
        return made


def plan(tensors: Iterable[TensorSpec]) -> Plan:
    """The arena with the smallest peak that can be found: soon where that is the lower bound, else in a time that grows
    with the square of their count (1 s for 1,000). The same tensors always get the same offsets.

    ValueError: two of one name, or none at all."""
    specs: List[TensorSpec] = list(tensors)
    if not specs:
        raise ValueError("gmemfs: a plan of no tensors")
    for spec in specs:
        if not isinstance(spec, TensorSpec):
            raise TypeError(f"gmemfs: a plan is made of TensorSpec(name, shape, dtype, lifetime), not {spec!r}")
    places = place([Block(-(-spec.nbytes // ALIGNMENT) * ALIGNMENT, *spec.steps) for spec in specs])
    return Plan(tuple(specs), tuple(places))
