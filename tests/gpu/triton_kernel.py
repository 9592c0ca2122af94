"""Triton kernel: adds two tensors. Triton reads a kernel's source from its file, and imports come first there."""
import triton
import triton.language as tl


@triton.jit
def _add(first, second, total, count, block: tl.constexpr):
    places = tl.program_id(0) * block + tl.arange(0, block)
    there = places < count
    tl.store(total + places, tl.load(first + places, mask=there) + tl.load(second + places, mask=there), mask=there)


def add(torch, first, second):
    total = torch.empty_like(first)
    _add[(triton.cdiv(first.numel(), 1024),)](first, second, total, first.numel(), block=1024)
    return total
