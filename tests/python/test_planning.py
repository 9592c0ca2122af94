"""Plans: never overlapping, never below the bound, as small as exhaustive search finds; a transformer's; errors."""
import itertools
import pathlib
import random
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "client/python"))
import gmemfs  # noqa: E402
from gmemfs import Plan, TensorSpec  # noqa: E402

UNIT = 512  # bytes


def largest_step(specs):
    """Bytes that live at the fullest step, step by step."""
    limit = max((spec.lifetime[1] for spec in specs if spec.lifetime), default=0)
    return max(sum(spec.nbytes for spec in specs
                   if spec.lifetime is None or spec.lifetime[0] <= step <= spec.lifetime[1])
               for step in range(limit + 1))


def live_together(one, other):
    if one.lifetime is None or other.lifetime is None:
        return True
    return bool(set(range(one.lifetime[0], one.lifetime[1] + 1)) & set(range(other.lifetime[0], other.lifetime[1] + 1)))


def check(plan):
    """What a plan must be, and knows nothing of how it is made."""
    spans = [(spec, plan.offsets[spec.name], plan.offsets[spec.name] + spec.nbytes) for spec in plan.tensors]
    for spec, begin, end in spans:
        assert begin % UNIT == 0 and 0 <= begin and end <= plan.peak, (spec, begin)
    for (one, begin, end), (other, other_begin, other_end) in itertools.combinations(spans, 2):
        if live_together(one, other):
            assert end <= other_begin or other_end <= begin, (one, other, begin, other_begin)
    assert plan.peak == max(end for _, _, end in spans)
    assert plan.lower_bound == largest_step(plan.tensors)
    assert plan.lower_bound <= plan.peak <= sum(-(-spec.nbytes // UNIT) * UNIT for spec in plan.tensors)
    assert plan.total == sum(spec.nbytes for spec in plan.tensors)
    assert plan.fragmentation == pytest.approx((plan.peak - plan.lower_bound) / plan.peak, abs=1e-12)


def random_specs(random_, count, steps, bytes_max, unit=1):
    specs = []
    for index in range(count):
        first, last = sorted(random_.randrange(steps) for _ in range(2))
        lifetime = None if random_.random() < 0.03 else (first, last)
        specs.append(TensorSpec(f"t{index}", (random_.randint(1, bytes_max) * unit,), "uint8", lifetime))
    return specs


@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_random_plans_are_sound(seed):
    random_ = random.Random(seed)
    for number in range(100):
        bytes_max = random_.choice((700, 9000, 1 << 24))
        specs = random_specs(random_, random_.randint(1, 40), random_.randint(1, 30), bytes_max)
        plan = gmemfs.plan(specs)
        assert plan.tensors == tuple(specs), (seed, number)
        check(plan)


def smallest_peak(specs):
    """In units, by trying every offset of every tensor: the least for which some choice fits."""
    def fits(limit, index, placed):
        if index == len(specs):
            return True
        size = specs[index].nbytes // UNIT
        rivals = [(begin, end) for other, begin, end in placed if live_together(specs[index], other)]
        return any(fits(limit, index + 1, [*placed, (specs[index], begin, begin + size)])
                   for begin in range(limit - size + 1)
                   if all(begin + size <= low or high <= begin for low, high in rivals))
    return next(limit for limit in itertools.count(largest_step(specs) // UNIT) if fits(limit, 0, []))


@pytest.mark.parametrize("seed", range(8))
def test_small_plans_are_as_small_as_exhaustive_search_finds(seed):
    random_ = random.Random(100 + seed)
    for number in range(40):
        specs = random_specs(random_, random_.randint(1, 7), random_.randint(1, 8), 5, UNIT)
        plan = gmemfs.plan(specs)
        assert plan.peak == smallest_peak(specs) * UNIT, (seed, number, str(plan))


def full_specs(random_, load, steps):
    """As many bytes at each step: the bound leaves no room for a mistake."""
    alive, blocks = [], []
    for step in range(steps):
        blocks += [(size, (first, step - 1)) for size, first, stays in alive if not stays]
        alive = [(size, first, random_.random() < 0.6) for size, first, stays in alive if stays]
        while (room := load - sum(size for size, _, _ in alive)) > 0:
            alive.append((random_.randint(1, min(2, room)), step, random_.random() < 0.6))
    blocks += [(size, (first, steps - 1)) for size, first, _ in alive]
    return [TensorSpec(str(index), (size * UNIT,), "uint8", lifetime) for index, (size, lifetime) in enumerate(blocks)]


@pytest.mark.parametrize("seed", range(4))
def test_full_plans_are_as_small_as_exhaustive_search_finds(seed):
    random_ = random.Random(seed)
    for _ in range(60):
        specs = full_specs(random_, random_.choice((3, 4, 5)), random_.randint(3, 6))
        if len(specs) <= 10:
            plan = gmemfs.plan(specs)
            assert plan.peak == smallest_peak(specs) * UNIT, (seed, str(plan))


# sizes in units, and lifetimes, whose arena can't be as small as their fullest step
ABOVE_THE_BOUND = [(2, (0, 0)), (2, (0, 1)), (1, (1, 2)), (1, (2, 2)), (1, (2, 3)), (1, (1, 4)), (1, (4, 4)),
                   (2, (3, 6)), (2, (5, 6))]


def test_a_case_that_no_plan_can_do_within_the_bound():
    specs = [TensorSpec(str(index), (size * UNIT,), "uint8", lifetime)
             for index, (size, lifetime) in enumerate(ABOVE_THE_BOUND)]
    plan = gmemfs.plan(specs)
    check(plan)
    assert (plan.lower_bound, smallest_peak(specs), plan.peak) == (4 * UNIT, 5, 5 * UNIT)
    assert plan.fragmentation == pytest.approx(0.2)


@pytest.mark.parametrize("count", [30, 100, 300])
def test_larger_random_plans_end_near_the_bound(count):
    random_ = random.Random(count)
    ratios = []
    for _ in range(5):
        plan = gmemfs.plan(random_specs(random_, count, count // 2, 100, UNIT))
        check(plan)
        ratios.append(plan.peak / plan.lower_bound)
    assert sum(ratios) / len(ratios) < 1.04, ratios


def transformer(layers, tokens, width, heads, words, is_training):
    """Activations of a decoder-only transformer (GPT-2's shapes, bfloat16), an operation a step. Training keeps what
    the backward pass reads until it has come back there, and has a gradient of each for two steps then."""
    specs, step = [], 0

    def add(name, shape, last):
        specs.append(TensorSpec(name, shape, "bfloat16", (step, last)))

    steps_a_layer = 9
    end = 2 * steps_a_layer * layers + 2
    for layer in range(layers):
        begin = step
        back = end - begin if is_training else 0  # the step at which the backward pass leaves this layer
        for name, shape, uses in (
                ("norm1", (tokens, width), 1), ("qkv", (tokens, 3 * width), 3), ("scores", (heads, tokens, tokens), 1),
                ("weights", (heads, tokens, tokens), 1), ("mixed", (tokens, width), 1),
                ("residual1", (tokens, width), 3), ("norm2", (tokens, width), 1), ("hidden", (tokens, 4 * width), 1),
                ("residual2", (tokens, width), 6)):
            add(f"layer{layer}.{name}", shape, max(step + uses, back - (step - begin) if name != "scores" else 0))
            step += 1
    forward = list(specs)
    add("logits", (tokens, words), step + 1)
    for spec in reversed(forward if is_training else ()):
        step += 1
        add(f"{spec.name}.gradient", spec.shape, step + 1)
    return specs


@pytest.mark.parametrize("is_training, least_gain", [(False, 40), (True, 2.5)])
def test_a_transformers_activations_take_their_fullest_step(is_training, least_gain):
    plan = gmemfs.plan(transformer(36, 1024, 1280, 20, 50257, is_training))
    check(plan)
    print(repr(plan), f"{plan.total / plan.peak:.2f} times less than their sum")
    assert plan.peak <= 1.01 * plan.lower_bound
    assert plan.total / plan.peak > least_gain


def test_offsets_are_the_same_each_time():
    specs = random_specs(random.Random(4), 50, 20, 10000)
    assert gmemfs.plan(specs) == gmemfs.plan(iter(list(specs)))


def test_a_plan_tells_its_table():
    plan = gmemfs.plan([TensorSpec("weights", (1024, 1024), "float16"), TensorSpec("one", (), "bool", (3, 3)),
                        TensorSpec("hidden", [4, 3], "float64", (0, 2))])
    assert [line.split() for line in str(plan).splitlines()] == [
        ["tensor", "dtype", "shape", "steps", "offset", "bytes"],
        ["weights", "float16", "1024x1024", "all", "0", "2,097,152"],
        ["hidden", "float64", "4x3", "0-2", "2,097,152", "96"], ["one", "bool", "1", "3-3", "2,097,152", "1"],
        "peak 2,097,248 bytes, lower bound 2,097,248, fragmentation 0.0%; 3 tensors of 2,097,249 bytes".split()]
    assert (plan.peak, plan.lower_bound, plan.offsets["one"]) == (2097248, 2097248, 2097152)
    assert plan["hidden"].shape == (4, 3)
    assert Plan.from_json(plan.to_json()) == plan
    with pytest.raises(KeyError, match="no tensor 'two' in the plan"):
        plan["two"]


@pytest.mark.parametrize("arguments, error, text", [
    (("a", (2,), "float99"), TypeError, "tensor 'a': no such element type: 'float99'"),
    (("a", (2, -1), "float32"), ValueError, r"tensor 'a': a shape of negative length: \(2, -1\)"),
    (("a", (2, 0), "float32"), ValueError, r"tensor 'a': shape \(2, 0\) has no elements"),
    (("a", (2.0,), "float32"), TypeError, "tensor 'a': "), (("a", 2, "float32"), TypeError, "tensor 'a': "),
    (("a", (1,), "float6_e2m3fn"), ValueError, "tensor 'a': .*whole bytes"),
    (("a", (2,), "float32", (5, 4)), ValueError, r"tensor 'a': lifetime \(5, 4\) ends before it begins"),
    (("a", (2,), "float32", (-1, 4)), ValueError, "tensor 'a': .* before step 0"),
    (("a", (2,), "float32", (0, 1 << 63)), ValueError, "tensor 'a': lifetime"),
    (("a", (2,), "float32", 3), TypeError, r"tensor 'a': a lifetime is \(first step, last step\), not 3"),
    (("a", (2,), "float32", (0, 1, 2)), TypeError, "tensor 'a': a lifetime is"),
    (("a", (2,), "float32", (0.5, 1)), TypeError, "tensor 'a': a lifetime is"),
    (("", (2,), "float32"), TypeError, "name"), ((7, (2,), "float32"), TypeError, "name")])
def test_what_no_tensor_can_have_is_refused_in_one_line(arguments, error, text):
    with pytest.raises(error, match=text) as found:
        TensorSpec(*arguments)
    assert str(found.value).startswith("gmemfs: ") and "\n" not in str(found.value)


def test_what_no_plan_can_have_is_refused():
    spec = TensorSpec("a", (2,), "float32")
    with pytest.raises(ValueError, match="two tensors have one name: 'a'"):
        gmemfs.plan([TensorSpec("b", (2,), "float32"), spec, TensorSpec("a", (3,), "int8", (0, 1))])
    with pytest.raises(ValueError, match="a plan of no tensors"):
        gmemfs.plan([])
    with pytest.raises(TypeError, match="TensorSpec"):
        gmemfs.plan([("a", (2,), "float32", (0, 1))])


SOUND = gmemfs.plan([TensorSpec("a", (2,), "int8", (0, 1)), TensorSpec("b", (2,), "int8")]).to_json()


@pytest.mark.parametrize("text", [
    "", "[]", "{}", "null", "7", "[" * 100000, SOUND[:-1], SOUND.replace("plan 1", "plan 2"),
    SOUND.replace('"b"', '"a"'),
    SOUND.replace('"offset":512', '"offset":511'), SOUND.replace('"offset":512', '"offset":-512'),
    SOUND.replace('"offset":512', '"offset":512.0'), SOUND.replace('"offset":512', '"offset":1024'),
    SOUND.replace('"peak":514', '"peak":515'), SOUND.replace("[2]", "[-2]"), SOUND.replace("[2]", "[1e3]"),
    SOUND.replace("[2]", "2"), SOUND.replace("int8", "int7"), SOUND.replace("[0,1]", "[1,0]"),
    SOUND.replace("[0,1]", "[0]"), SOUND.replace("[2]", f"[{'9' * 5000}]"), SOUND.replace("[2]", f"[{'9' * 4000}]")])
def test_a_table_that_somebody_spoilt_is_a_value_error(text):
    assert text != SOUND
    with pytest.raises(ValueError, match="gmemfs: no plan: ") as found:
        Plan.from_json(text)
    assert "\n" not in str(found.value)
