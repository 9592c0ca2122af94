"""Placing: blocks of known sizes and lifetimes at offsets of one arena, so that it ends as low as can be found.

Two blocks may share bytes when no step sees both. The lowest end is NP-hard to find (dynamic storage allocation), so
blocks are placed one after the other, each in the smallest gap, or in the lowest, among those that live with it, in
several orders. The larger first is one of them, as in TensorFlow Lite (Pisarchyk and Lee, "Efficient Memory Management
for Deep Neural Net Inference", 2020: greedy by size). Then the best order is changed again and again, by what reaches
too high and moves to the front, or by chance, as long as that is worth it. All ends at once when the arena is as small
as the blocks of one step together.
"""
import bisect
import random
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

_LOOKS = 12_000_000  # at placed blocks, all changed orders together: half a second for 400 blocks
_CHANGES_MAX = 1000
_PATIENCE = 100_000_000  # blocks squared, of all unchanged orders but the first: 7 s for 10,000 blocks


class Block(NamedTuple):
    size: int   # bytes, at least 1, a multiple of what offsets are to be multiples of
    first: int  # steps: it lives from this one
    last: int   # to this one, included


_KEYS: List[Callable[[Block], Tuple[int, ...]]] = [
    lambda block: (-block.size * (block.last - block.first + 1),),
    lambda block: (-block.size, block.first - block.last),
    lambda block: (block.first, -block.size),
    lambda block: (block.first - block.last, -block.size),
    lambda block: (-block.last, -block.size)]


class _Placed(NamedTuple):
    end: int                      # where the arena ends, or what was reached when it was given up
    offsets: Optional[List[int]]  # by block; None: given up
    highest: int                  # the block that reaches there
    order: List[int]


def most_alive(blocks: Sequence[Block]) -> int:
    """The largest sum of sizes that live at one step: no arena is smaller."""
    changes = sorted([(block.first, 1, block.size) for block in blocks] +
                     [(block.last + 1, 0, -block.size) for block in blocks])
    most = alive = 0
    for _, _, change in changes:
        alive += change
        most = max(most, alive)
    return most


def place(blocks: Sequence[Block]) -> List[int]:
    """An offset for each block. The same blocks always get the same offsets."""
    floor = most_alive(blocks)
    best = _Placed(sum(block.size for block in blocks) + 1, None, 0, [])
    for number, (order, in_smallest_gap) in enumerate(_orders(blocks)):
        if best.end <= floor or number * len(blocks) ** 2 > _PATIENCE:
            break
        best = _better(best, _try(blocks, order, in_smallest_gap, best.end - 1))
    chance = random.Random(len(blocks))
    highest = best.highest
    for number in range(min(_CHANGES_MAX, _LOOKS // (len(blocks) ** 2 or 1))):
        if best.end <= floor:
            break
        order = list(best.order)
        if number % 2:
            at = order.index(highest)
            order.insert(chance.randrange(at + 1), order.pop(at))
        else:
            one, other = chance.randrange(len(order)), chance.randrange(len(order))
            order[one], order[other] = order[other], order[one]
        tried = _try(blocks, order, chance.random() < 0.5, best.end)
        best, highest = _better(best, tried), tried.highest
    return best.offsets or []


def _better(best: _Placed, tried: _Placed) -> _Placed:
    return best if tried.offsets is None else tried


def _orders(blocks: Sequence[Block]) -> Iterator[Tuple[List[int], bool]]:
    """Indices of blocks, in the order in which they are placed, and whether each goes into the smallest gap."""
    for key in _KEYS:
        values = [key(block) for block in blocks]
        order = sorted(range(len(blocks)), key=values.__getitem__)
        yield order, True
        yield order, False


def _try(blocks: Sequence[Block], order: List[int], in_smallest_gap: bool, limit: int) -> _Placed:
    """Given up as soon as it ends above `limit`."""
    placed: List[Tuple[int, int, int, int]] = []  # offset, end, first, last; by offset
    offsets = [0] * len(blocks)
    end = highest = 0
    for index in order:
        size, first, last = blocks[index]
        offsets[index] = offset = _gap(placed, size, first, last, in_smallest_gap)
        bisect.insort(placed, (offset, offset + size, first, last))
        if offset + size > end:
            end, highest = offset + size, index
            if end > limit:
                return _Placed(end, None, highest, order)
    return _Placed(end, offsets, highest, order)


def _gap(placed: Sequence[Tuple[int, int, int, int]], size: int, first: int, last: int, is_smallest: bool) -> int:
    """Offset of a gap among those that live at a step from `first` to `last`: above all of them where none fits."""
    low, best, offset = 0, -1, -1
    for begin, end, other_first, other_last in placed:
        if other_first <= last and first <= other_last:
            gap = begin - low
            if gap >= size and (offset < 0 or gap < best):
                offset, best = low, gap
                if not is_smallest:
                    break
            if end > low:
                low = end
    return low if offset < 0 else offset
