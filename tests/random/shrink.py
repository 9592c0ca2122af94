"""Shrink: the shortest list of steps, with the simplest arguments, that still fails (delta debugging)."""
import time

from model import Model


def without(steps, start, count):
    return steps[:start] + steps[start + count:]


def drop_steps(steps, fails, end):
    """Leaves out ever smaller runs of steps while what is left still fails."""
    size = max(1, len(steps) // 2)
    while time.monotonic() < end:
        start, dropped = 0, False
        while start < len(steps) and time.monotonic() < end:
            shorter = without(steps, start, size)
            if shorter and fails(shorter):
                steps, dropped = shorter, True
            else:
                start += size
        if size == 1 and not dropped:
            break
        size = max(1, size // 2)
    return steps


LOOKS = {"read", "pread", "map_read", "readdir", "stat", "lstat", "fstat", "readlink", "getxattr", "listxattr", "tree",
         "seek", "fsync"}


def drop_idle(steps, fails):
    """First of all those that only look, and those that the model refuses: mostly nothing hangs on them."""
    model = Model()
    results = [(step, model.do(step)) for step in steps[:-1]]
    looks = lambda step, result: step[1] in LOOKS
    is_refused = lambda step, result: not callable(result) and result[0] != "OK"
    for is_idle in (looks, is_refused):
        busy = [(step, result) for step, result in results if not is_idle(step, result)]
        if len(busy) < len(results) and fails([step for step, _ in busy] + steps[-1:]):
            results = busy
    return [step for step, _ in results] + steps[-1:]


def simpler(step):
    """The same step by the first process, then with each number made smaller."""
    if step[0] != 0:
        yield (0, *step[1:])
    for index in range(2, len(step)):
        value = step[index]
        if isinstance(value, int) and value > 64:
            for less in (0, 4096, value // 2, value & -4096):
                if less < value:
                    yield (*step[:index], less, *step[index + 1:])


def simplify(steps, fails, end):
    index = 0
    while index < len(steps) and time.monotonic() < end:
        for candidate in simpler(steps[index]):
            changed = steps[:index] + [candidate] + steps[index + 1:]
            if fails(changed):
                steps = changed
                break
        else:
            index += 1
    return steps


def shrink(steps, fails, seconds):
    end = time.monotonic() + seconds
    steps = drop_steps(drop_idle(steps, fails), fails, end)
    steps = simplify(steps, fails, end)
    return drop_steps(steps, fails, end)
