import msgspec
import numpy as np
import pytest
from driving import cell, committed, judged, optimizer

from parity.bounds.network import gradient_bounds, undecided_units
from parity.case.spec import Mlp, Weights
from parity.problem import problems
from parity.reference import network


def made(seed, sizes=(30, 12, 5), batch=7, dtype=np.float32):
    rng = np.random.default_rng(seed)
    params = network.init_glorot(rng, sizes, dtype)
    params = {n: (w + 0.1 * rng.normal(size=w.shape)).astype(dtype) for n, w in params.items()}
    x = rng.uniform(0, 1, (batch, sizes[0])).astype(dtype)
    y = np.eye(sizes[-1], dtype=dtype)[rng.integers(0, sizes[-1], batch)]
    return params, x, y


def inside(gradients, bounds):
    return {n: bool(np.all(np.abs(g - bounds.values[n]) <= bounds.errors[n])) for n, g in gradients.items()}


@pytest.mark.parametrize("batch", [1, 2, 7, 32])
@pytest.mark.parametrize("seed", range(5))
def test_numpy_gradients_are_within_the_bounds(seed, batch):
    params, x, y = made(seed, batch=batch)
    bounds = gradient_bounds(params, x, y)
    loss, gradients, _ = network.gradients(params, x, y)
    assert all(inside(gradients, bounds).values())
    assert abs(float(loss) - bounds.loss) <= bounds.loss_error


@pytest.mark.parametrize("seed", range(5))
def test_another_order_of_features_is_within_the_bounds(seed):
    params, x, y = made(seed)
    order = np.random.default_rng(seed).permutation(x.shape[1])
    bounds = gradient_bounds(params, x, y)
    shuffled = {**params, "dense_1/kernel": np.ascontiguousarray(params["dense_1/kernel"][order])}
    _, gradients, _ = network.gradients(shuffled, np.ascontiguousarray(x[:, order]), y)
    back = np.empty_like(gradients["dense_1/kernel"])
    back[order] = gradients["dense_1/kernel"]
    assert all(inside({**gradients, "dense_1/kernel": back}, bounds).values())


@pytest.mark.parametrize("seed", range(5))
def test_sums_one_term_at_a_time_and_in_float64_are_within_the_bounds(seed, monkeypatch):
    params, x, y = made(seed)
    bounds = gradient_bounds(params, x, y)
    wide = {n: w.astype(np.float64) for n, w in params.items()}
    _, gradients, _ = network.gradients(wide, x.astype(np.float64), y.astype(np.float64))
    assert all(inside({n: g.astype(np.float32) for n, g in gradients.items()}, bounds).values())
    # Rows in reverse: the sums over the batch run the other way round.
    _, gradients, _ = network.gradients(params, x[::-1].copy(), y[::-1].copy())
    assert all(inside(gradients, bounds).values())


@pytest.mark.parametrize("seed", range(3))
def test_a_scaled_loss_is_within_its_bounds(seed):
    params, x, y = made(seed)
    bounds = gradient_bounds(params, x, y, scale=3.0)
    _, gradients, _ = network.gradients(params, x, y)
    assert all(inside({n: g * np.float32(3.0) for n, g in gradients.items()}, bounds).values())


@pytest.mark.parametrize("seed", range(3))
def test_a_deep_network_is_within_the_bounds_and_they_stay_useful(seed):
    params, x, y = made(seed, sizes=(20, 16, 12, 8, 4))
    bounds = gradient_bounds(params, x, y)
    _, gradients, _ = network.gradients(params, x, y)
    assert all(inside(gradients, bounds).values())
    assert float(np.median(bounds.errors["dense_1/kernel"])) < 1e-3 * float(np.max(np.abs(gradients["dense_1/kernel"])))


def test_a_wrong_network_is_outside_the_bounds():
    params, x, y = made(0)
    bounds = gradient_bounds(params, x, y)
    _, gradients, _ = network.gradients(params, x, y)
    no_bias = {**gradients, "dense_1/bias": np.zeros_like(gradients["dense_1/bias"])}
    summed = {n: g * np.float32(len(x)) for n, g in gradients.items()}
    assert inside(no_bias, bounds) == {n: n != "dense_1/bias" for n in params}
    assert not any(inside(summed, bounds).values())
    assert not all(inside({n: g * np.float32(1 + 1e-4) for n, g in gradients.items()}, bounds).values())


def test_a_unit_at_zero_is_undecided_and_may_pass_all_or_nothing():
    params, x, y = made(0, batch=1)
    z = network.forward(params, x).pre_activations[0][0]
    params["dense_1/bias"][3] -= z[3]
    bounds = gradient_bounds(params, x, y)
    assert (1, 0, 3) in undecided_units(bounds)
    for bump in (-1e-7, 1e-7):
        moved = {**params, "dense_1/bias": params["dense_1/bias"] + np.eye(12, dtype=np.float32)[3] * np.float32(bump)}
        _, gradients, _ = network.gradients(moved, x, y)
        assert all(inside(gradients, bounds).values())


def test_a_unit_far_from_zero_is_decided():
    params, x, y = made(0)
    params["dense_1/bias"] += np.float32(100)
    assert undecided_units(gradient_bounds(params, x, y)) == []


def computed(batch=1, steps=6):
    spec = Mlp(layers=[784, 8, 10], examples=32, batch_size=batch)
    given = cell(steps=steps)
    return msgspec.structs.replace(given, problem=spec, weights=Weights(kind="glorot_uniform"), gradients="computed")


@pytest.mark.parametrize("batch", [1, 8])
def test_the_reference_at_its_own_gradients_is_identical(batch):
    verdicts = {mode: item.verdict for mode, item in judged(computed(batch), "reference").items()}
    assert verdicts == {"lockstep": "IDENTICAL", "free": "IDENTICAL"}


def test_a_wrong_rule_on_a_network_is_found_behind_right_gradients():
    first = judged(computed(), optimizer("epsilon_outside"))["lockstep"].first_divergence
    assert (first.slot, first.stage) == ("parameter", "denominator")


@pytest.mark.parametrize("way", ["sum", "bias"])
def test_a_wrong_network_is_named_as_a_wrong_gradient(way, monkeypatch):
    from parity.subjects import numpy_class

    class Wrong(numpy_class.NumpySubject):
        def open(self, problem):
            evaluate = type(problem).evaluate
            super().open(problem)

            class Spoiled:
                absent, frozen = staticmethod(problem.absent), staticmethod(problem.frozen)

                def evaluate(self, params, step):
                    found = evaluate(problem, params, step)
                    spoiled = {
                        n: g * g.dtype.type(8 if way == "sum" or n.endswith("bias") else 1)
                        for n, g in found.gradients.items()
                    }
                    return problems.Evaluation(found.loss, spoiled, found.hidden)

            self._problem = Spoiled()

    from parity.reference.rmsprop import RMSprop
    from parity.runner.loop import run_pair

    pair = run_pair(computed(batch=8), "wrong", Wrong(RMSprop, "wrong"))
    assert pair.comparisons[0].verdict == "DIVERGED"
    first = pair.comparisons[0].first_divergence
    assert (first.step, first.slot, first.stage) == (0, "gradient", "gradient")
    assert first.tensor == ("dense_1/kernel" if way == "sum" else "dense_1/bias")


def test_a_problem_with_a_single_number_has_bounds_on_its_computed_gradients():
    for each in committed("network/quadratic", steps=3):
        assert {item.verdict for item in judged(each, "reference").values()} == {"IDENTICAL"}
        assert judged(each, optimizer("epsilon_outside"))["lockstep"].verdict == "DIVERGED"
