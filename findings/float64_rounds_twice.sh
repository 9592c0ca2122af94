#!/usr/bin/env bash
# From float64 to a small float, NumPy 2.2.6 with ml_dtypes 0.6.0 and JAX 0.10.2 (CPU, 64 bits enabled) give other
# bits for the same number, and which of them is right depends on the type. A cast that rounds to float32 first moves
# a number that lies just beside the middle of two neighbours onto the middle, and the tie may go to the wrong one:
#     float8, float4, float8_e8m0fnu    ml_dtypes' astype rounds twice, JAX's once: 0.7499999999999999 to
#                                       float4_e2m1fn is 1.0 there and 0.5 here
#     float16                           NumPy's astype rounds once, JAX's twice
#     bfloat16                          both round twice, so they agree on the neighbour that is farther away
#     float8_e8m0fnu, at its low end    JAX makes of numbers just above 2^-127, its least, the double
# A way round: astype("float32") first, in either. From float32 on the two give the same bits in all of these types.
#
# Installs JAX, ml_dtypes and NumPy from PyPI (0.5 GB) into a temporary folder; needs nothing of this repository. Exit
# status 0 where it is as described, 1 where it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --root-user-action=ignore --target "$folder/packages" jax==0.10.2 jaxlib==0.10.2 \
    ml_dtypes==0.6.0 numpy==2.2.6
cat > "$folder/show.py" <<'P'
import sys
import jax, jax.numpy, ml_dtypes, numpy
from fractions import Fraction

jax.config.update("jax_enable_x64", True)
print(f"NumPy {numpy.__version__}, ml_dtypes {ml_dtypes.__version__}, JAX {jax.__version__} on {jax.default_backend()}")
above = lambda x: numpy.nextafter(x, numpy.inf)
below = lambda x: numpy.nextafter(x, -numpy.inf)
# type, the float64, its two neighbours in that type, and whether NumPy's and JAX's astype give the nearer one
rows = (
    ("float8_e4m3fn", below(216.0), (208.0, 224.0), False, True),
    ("float8_e5m2", above(9.0), (8.0, 10.0), False, True),
    ("float4_e2m1fn", below(0.75), (0.5, 1.0), False, True),
    ("float8_e8m0fnu", below(1.5), (1.0, 2.0), False, True),
    ("float8_e8m0fnu", above(2.0**-127), (2.0**-127, 2.0**-126), True, False),
    ("float16", below(2049 + 2.0), (2050.0, 2052.0), True, False),
    ("bfloat16", above(257.0), (256.0, 258.0), False, False),
)
same = True
for name, number, neighbours, numpy_is_right, jax_is_right in rows:
    nearer = min(neighbours, key=lambda each: abs(Fraction(each) - Fraction(float(number))))
    of_numpy = float(numpy.array([number]).astype(getattr(ml_dtypes, name, numpy.float16))[0])
    of_jax = float(jax.numpy.array([number], dtype="float64").astype(getattr(jax.numpy, name))[0])
    print(f"{name}: {float(number)!r} lies between {neighbours[0]} and {neighbours[1]}, nearer to {nearer}: "
          f"NumPy {of_numpy}, JAX {of_jax}")
    same &= {of_numpy, of_jax} <= set(neighbours)
    same &= (of_numpy == nearer, of_jax == nearer) == (numpy_is_right, jax_is_right)
    with_float32 = numpy.array([number]).astype("float32")
    theirs = with_float32.astype(getattr(ml_dtypes, name, numpy.float16))
    same &= theirs.tobytes() == numpy.asarray(jax.numpy.array(with_float32).astype(theirs.dtype)).tobytes()
if not same:
    print("it isn't so any more", file=sys.stderr)
sys.exit(not same)
P
JAX_PLATFORMS=cpu PYTHONPATH="$folder/packages" python3 "$folder/show.py"
