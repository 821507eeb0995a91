from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest

from parity.explain.factors import Program
from parity.explain.ladder import gradient_check
from parity.explain.pool import compute
from parity.explain.program import Trainer, digest, initial, mnist, orders, train
from parity.explain.rule import Rule
from parity.explain.store import Store, Task
from parity.reference import network, posted, rmsprop

SMALL = Program(layers=[784, 12, 10], examples=30)
POSTED = msgspec.structs.replace(
    SMALL,
    initial_weights="normal",
    hidden_slip=28.0,
    forward_divisor=512.0,
    second_moment_start=1.0,
    probability_clip=1e-7,
    dtype="float64",
    printed_loss="before_epoch",
)


def test_quick_program_equals_the_posted_page_bit_for_bit(tmp_path: Any) -> None:
    quick = train(POSTED, 3, 2, mnist())
    naive = compute(Task(POSTED, 3, 2, "posted"), str(Store(tmp_path).folder))
    assert quick["digest"] == naive["digest"]
    assert naive["printed"][:2] == pytest.approx(quick["printed"], rel=1e-14)


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize(
    "options", [{}, {"momentum": 0.9}, {"centered": True}, {"weight_decay": 0.01}, {"clipvalue": 0.1}, {"epsilon": 0.1}]
)
def test_quick_program_equals_the_keras_page_bit_for_bit(options: dict[str, Any], batch_size: int) -> None:
    program = msgspec.structs.replace(SMALL, batch_size=batch_size, **options)
    data, tensors = mnist().cast(program), initial(program, 0)
    params: dict[str, Any] = {name: w.copy() for name, w in tensors.items()}
    trainer, page = Trainer(program, tensors, data), rmsprop.RMSprop(**options)
    state = page.init(params)
    for batch in np.split(next(orders(program, 0, 1))[:24], 24 // batch_size):
        trainer.step(batch)
        _, grads, _ = network.gradients(params, data.pixels[batch], data.labels[batch])
        params, state = page.step(params, grads, state)
    for name, w in tensors.items():
        np.testing.assert_array_equal(w, params[name], err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_leaving_out_black_pixels_changes_no_bit(dtype: str) -> None:
    program = msgspec.structs.replace(SMALL, dtype=dtype)
    data, order = mnist().cast(program), next(orders(program, 1, 1))
    digests = []
    for skips in (True, False):
        tensors = initial(program, 1)
        trainer = Trainer(program, tensors, data)
        assert trainer.lit is not None
        trainer.lit = trainer.lit if skips else None
        for image in order:
            trainer.step(np.array([image]))
        digests.append(digest(tensors))
    assert digests[0] == digests[1]


def test_black_pixels_are_not_left_out_where_a_zero_gradient_moves_weights() -> None:
    for options in ({"momentum": 0.9}, {"centered": True}, {"weight_decay": 0.1}, {"l2": 0.1}, {"epsilon": 0.0}):
        program = msgspec.structs.replace(SMALL, **options)
        assert not Rule(program, initial(program, 0)).skips_zeros, options


def _torch_style(w: Any, v: Any, b: Any, g: Any, rate: float) -> tuple[Any, Any, Any]:
    """One step as torch/optim/rmsprop.py, single tensor: epsilon and the learning rate outside."""
    v = 0.99 * v + (1 - 0.99) * g * g
    b = 0.9 * b + g / (np.sqrt(v) + 1e-8)
    return w - rate * b, v, b


def test_outside_places_are_those_of_torch() -> None:
    program = Program(rho=0.99, epsilon=1e-8, epsilon_place="outside", momentum=0.9, learning_rate_place="outside")
    program = msgspec.structs.replace(program, dtype="float64")
    generator = np.random.default_rng(0)
    tensors = {"w": generator.standard_normal(50)}
    w, v, b = tensors["w"].copy(), np.zeros(50), np.zeros(50)
    rule = Rule(program, tensors)
    for _ in range(20):
        g = generator.standard_normal(50) * 1e-4
        rule.step(tensors, {"w": g.copy()})
        w, v, b = _torch_style(w, v, b, g, 0.001)
    np.testing.assert_allclose(tensors["w"], w, rtol=1e-13)


def test_schedule_changes_the_rate_after_its_boundary() -> None:
    steps = {"schedule": "PiecewiseConstantDecay", "boundaries": [2], "values": [0.1, 0.001]}
    program = msgspec.convert({"learning_rate": steps, "rho": 0.0, "dtype": "float64"}, Program)
    tensors = {"w": np.zeros(1)}
    rule, path = Rule(program, tensors), [0.0]
    for _ in range(5):
        rule.step(tensors, {"w": np.ones(1)})
        path.append(float(tensors["w"][0]))
    moves = [before - after for before, after in pairwise(path)]
    assert moves == pytest.approx([0.1, 0.1, 0.1, 0.001, 0.001], rel=1e-5)


def test_gradient_of_the_posted_program_is_512_times_that_of_its_loss() -> None:
    whole = {"dense_1/kernel": 512.0, "dense_2/kernel": 512.0}
    assert gradient_check(POSTED, mnist(), 0) == pytest.approx(whole, rel=1e-6)


def test_gradient_belongs_to_the_loss_once_both_ways_divide() -> None:
    for program in (SMALL, msgspec.structs.replace(POSTED, backward_divisor=512.0)):
        assert gradient_check(program, mnist(), 0) == pytest.approx(
            dict.fromkeys(["dense_1/kernel", "dense_2/kernel"], 1.0)
        )


def test_printed_loss_is_bookkeeping() -> None:
    runs = [
        train(msgspec.structs.replace(SMALL, printed_loss=kind), 0, 2, mnist())
        for kind in ("running_mean", "before_epoch", "after_epoch")
    ]
    assert len({run["digest"] for run in runs}) == 1
    assert runs[1]["printed"] == pytest.approx(runs[1]["loss"][:-1])
    assert runs[2]["printed"] == pytest.approx(runs[2]["loss"][1:])
    assert runs[0]["printed"] != runs[2]["printed"]


def test_seed_fixes_order_whatever_the_weights() -> None:
    one, other = (list(orders(program, 5, 3)) for program in (SMALL, POSTED))
    assert all(np.array_equal(x, y) for x, y in zip(one, other, strict=True))
    assert not np.array_equal(one[0], one[1])


def test_posted_second_moment_starts_at_one() -> None:
    optimizer = posted.Posted()
    params = {"w": np.zeros(3)}
    state = optimizer.init(params)
    assert np.array_equal(optimizer.slots(state)["second_moment"]["w"], np.ones(3))
    new, after = optimizer.step(params, {"w": np.ones(3)}, state)
    np.testing.assert_allclose(after["second_moment"]["w"], 1.0)
    np.testing.assert_allclose(new["w"], -0.001 / np.sqrt(1 + 1e-7))
