"""Code: our byte-wise Reed-Solomon against one that isn't ours (reedsolo, from PyPI), on random words."""
import os
import pathlib
import random
import subprocess

import pytest

reedsolo = pytest.importorskip("reedsolo", reason="reedsolo isn't installed: pip install reedsolo")

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = (ROOT / os.environ.get("BUILD", "build")).resolve() / "code-tool"
PARITY = 8


@pytest.fixture(name="theirs")
def fixture_theirs():
    return reedsolo.RSCodec(PARITY, nsize=255, fcr=1, prim=0x11D, generator=2, c_exp=8)


def ours(commands):
    """The tool's answers, one a command."""
    run = subprocess.run([TOOL], input="\n".join(commands), stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    answers = run.stdout.splitlines()
    assert len(answers) == len(commands)
    return answers


def test_every_length_is_encoded_alike(theirs):
    random.seed(1)
    words = [random.randbytes(size) for size in range(1, 248)]
    answers = ours([f"encode {word.hex()}" for word in words])
    for word, answer in zip(words, answers):
        assert answer == bytes(theirs.encode(word))[-PARITY:].hex(), f"{len(word)} data symbols"


def damaged_words(theirs, size, count, errors):
    """Pairs of what was sent and what arrived, with as many wrong symbols, anywhere."""
    for _ in range(count):
        sent = bytes(theirs.encode(random.randbytes(size)))
        arrived = bytearray(sent)
        for place in random.sample(range(len(sent)), errors):
            arrived[place] ^= random.randrange(1, 256)
        yield sent, bytes(arrived)


@pytest.mark.parametrize("size", [128, 120, 1, 247])
@pytest.mark.parametrize("errors", [0, 1, 2, 3, 4])
def test_up_to_four_wrong_symbols_are_mended_alike(theirs, size, errors):
    random.seed(100 * size + errors)
    words = list(damaged_words(theirs, size, 60, errors))
    answers = ours([f"correct {arrived[:-PARITY].hex()} {arrived[-PARITY:].hex()}" for _, arrived in words])
    for (sent, arrived), answer in zip(words, answers):
        assert answer == f"{errors} {sent[:-PARITY].hex()} {sent[-PARITY:].hex()}"
        assert bytes(theirs.decode(arrived)[1]) == sent


@pytest.mark.parametrize("errors", [5, 6, 8, 20])
def test_more_wrong_symbols_are_judged_alike(theirs, errors):
    """Most are damage; 3 in 1,000 lie near another codeword, and then it is the same one for both."""
    random.seed(errors)
    words = [arrived for _, arrived in damaged_words(theirs, 128, 500, errors)]
    answers = ours([f"correct {arrived[:-PARITY].hex()} {arrived[-PARITY:].hex()}" for arrived in words])
    for arrived, answer in zip(words, answers):
        try:
            whole = bytes(theirs.decode(arrived)[1])
        except reedsolo.ReedSolomonError:
            assert answer == "damaged"
        else:
            assert answer.split()[1:] == [whole[:-PARITY].hex(), whole[-PARITY:].hex()]
