#!/usr/bin/env bash
# PyTorch 2.15.0 and JAX 0.10.2 (with ml_dtypes 0.6.0, whose astype agrees with it), both on the CPU, make other bytes
# of the same float32 in two of the small types that they share:
#     float8_e4m3fn     too large (above 464) and infinite: PyTorch gives the largest number, 448 (0x7e), and so
#                       hides that something overflowed; JAX gives NaN (0x7f). PyTorch does this for e4m3fn alone: its
#                       float8_e5m2 becomes infinite and its float8_e4m3fnuz NaN, byte for byte as in JAX.
#     float8_e8m0fnu    zero and negative numbers, for which the type has no room: PyTorch takes 2^-127 for zero and
#                       drops the sign, so that -3 becomes 4; JAX gives NaN (0xff).
# Numbers that the types have room for become the same bytes in both.
# A way round: clamp before the cast, where it is known what an overflow should become.
#
# Installs PyTorch and JAX from PyPI (5 GB) into a temporary folder; needs no GPU and nothing of this repository. Exit
# status 0 where it is as described, 1 where it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --root-user-action=ignore --target "$folder/packages" torch==2.15.0 jax==0.10.2 \
    jaxlib==0.10.2 ml_dtypes==0.6.0 numpy==2.2.6
cat > "$folder/show.py" <<'P'
import sys
import jax, jax.numpy, ml_dtypes, numpy, torch

print(f"PyTorch {torch.__version__}, JAX {jax.__version__} on {jax.default_backend()}, "
      f"ml_dtypes {ml_dtypes.__version__}")
same = True
# type, number, PyTorch's byte, JAX's and ml_dtypes' byte
for name, number, of_torch, of_jax in (
    ("float8_e4m3fn", 448.0, 0x7E, 0x7E),
    ("float8_e4m3fn", 464.0, 0x7E, 0x7E),
    ("float8_e4m3fn", 465.0, 0x7E, 0x7F),
    ("float8_e4m3fn", -1e6, 0xFE, 0xFF),
    ("float8_e4m3fn", float("inf"), 0x7E, 0x7F),
    ("float8_e5m2", 1e6, 0x7C, 0x7C),
    ("float8_e4m3fnuz", 1e6, 0x80, 0x80),
    ("float8_e8m0fnu", 3.0, 0x81, 0x81),
    ("float8_e8m0fnu", -3.0, 0x81, 0xFF),
    ("float8_e8m0fnu", 0.0, 0x00, 0xFF),
):
    numbers = numpy.array([number], dtype="f4")
    by_torch = torch.from_numpy(numbers).to(getattr(torch, name))
    by_jax = numpy.asarray(jax.numpy.array(numbers).astype(getattr(jax.numpy, name)))
    by_numpy = numbers.astype(getattr(ml_dtypes, name))
    seen = by_torch.view(torch.uint8).item(), by_jax.tobytes()[0], by_numpy.tobytes()[0]
    print(f"float32 {number} to {name}: PyTorch {by_torch.float().item()} ({seen[0]:#04x}), "
          f"JAX {float(by_jax[0])} ({seen[1]:#04x}), ml_dtypes {float(by_numpy[0])} ({seen[2]:#04x})")
    same &= seen == (of_torch, of_jax, of_jax)
# Every byte that is a number becomes itself again by way of float32, in both.
for name in ("float8_e4m3fn", "float8_e8m0fnu"):
    numbers = numpy.arange(256, dtype="u1").view(getattr(ml_dtypes, name)).astype("f4")
    numbers = numbers[numpy.isfinite(numbers)]
    by_torch = torch.from_numpy(numbers).to(getattr(torch, name)).view(torch.uint8).numpy()
    same &= by_torch.tobytes() == numpy.asarray(jax.numpy.array(numbers).astype(getattr(jax.numpy, name))).tobytes()
if not same:
    print("it isn't so any more", file=sys.stderr)
sys.exit(not same)
P
JAX_PLATFORMS=cpu PYTHONPATH="$folder/packages" python3 "$folder/show.py"
