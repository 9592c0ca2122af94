#!/usr/bin/env bash
# safetensors 0.8.0: safetensors.numpy.save and save_file write the memory of a NumPy array that isn't in row order as it
# lies, under the array's shape: a transposed or Fortran-ordered array, and every second element of one, come back with
# other values, and no error. 0.7.0 wrote the values, and safetensors.torch 0.8.0 refuses such a tensor (ValueError).
# The documentation of save says "Tensors need to be contiguous and dense"; what happens to others it doesn't say.
# A way round: numpy.ascontiguousarray(array).
#
# Installs safetensors and NumPy from PyPI into a temporary folder; needs nothing of this repository. Exit status 0 where
# it is as described, 1 where it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/show.py" <<'P'
import sys
import numpy, safetensors.numpy
version, wanted = sys.argv[1:]
assert safetensors.__version__ == version
rows = numpy.arange(6, dtype="f4").reshape(2, 3)
same = []
for what, array in (("in rows", rows), ("transposed", rows.T), ("Fortran order", numpy.asfortranarray(rows)),
                    ("every second", numpy.arange(10, dtype="f4")[::2])):
    loaded = safetensors.numpy.load(safetensors.numpy.save({"a": array}))["a"]
    same.append(bool((loaded == array).all()))
    print(f"safetensors {version}, {what}: saved {array.tolist()}, loaded {loaded.tolist()}: "
          f"{'the same' if same[-1] else 'OTHER VALUES, no error'}")
sys.exit("".join("01"[each] for each in same) != wanted)
P
status=0
for pair in 0.7.0:1111 0.8.0:1000; do
    version=${pair%:*}
    python3 -m pip install -q --root-user-action=ignore --target "$folder/$version" "safetensors==$version" "numpy==2.2.6"
    PYTHONPATH="$folder/$version" python3 "$folder/show.py" "$version" "${pair#*:}" || {
        echo "safetensors $version: it isn't so any more" >&2
        status=1
    }
done
exit $status
