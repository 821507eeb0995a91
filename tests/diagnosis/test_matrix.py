"""Each library's choices come out of running it."""

import pytest

from parity.diagnosis import matrix

MOMENTUM = ("momentum", "both")


def own(*names):
    found = matrix.rows(names)
    return {(r["subject"], r["mode"]): r for r in matrix.subject_records(found)}, matrix.matrix_records(found)


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
def test_the_libraries_of_tensorflow_show_their_choices():
    pytest.importorskip("tensorflow")
    pytest.importorskip("tf_keras")
    rows, pairs = own("keras-eager", "tf_keras", "tf_keras-legacy", "tf1")
    held = {"rho_held": "float32"}
    for mode in ("plain", "centered"):
        assert rows["tf_keras-legacy", mode]["switches"] == {"epsilon_place": "outside", **held}
    for mode in MOMENTUM:
        assert rows["tf_keras-legacy", mode]["switches"] == {"momentum_held": "float32", **held}
        assert rows["tf_keras-legacy", mode]["rounding"] == {"moment_form": "lerp"}
    of_tf1 = {"second_moment_start": 1.0, "epsilon_held": "float32", "momentum_held": "float32", **held}
    for mode in ("plain", *MOMENTUM):
        assert rows["tf1", mode]["switches"] == of_tf1
        assert rows["tf1", mode]["rounding"] == {"moment_form": "lerp"}
        # Clipping by norm sums in another order, which is of no mode; all else is equal to the bit.
        assert rows["keras-eager", mode]["verdict"] == "IDENTICAL"
        assert not rows["keras-eager", mode]["switches"]
        # No choice makes its average of the weights, which is of no mode either.
        assert rows["tf_keras", mode]["verdict"] == "ROUNDING"
        assert not rows["tf_keras", mode]["switches"]
    between = {(p["a"], p["b"], p["mode"]): p for p in pairs}
    apart = {"second_moment_start": [0.0, 1.0], "epsilon_held": ["given", "float32"]}
    assert between["tf_keras-legacy", "tf1", "momentum"]["switches"] == apart
    assert between["keras-eager", "tf1", "weight_decay"]["outcome"] == "UNSUPPORTED"


def test_torch_shows_its_choices():
    pytest.importorskip("torch")
    rows, pairs = own("reference", "torch")
    assert rows["torch", "plain"]["switches"] == {"epsilon_place": "outside"}
    assert rows["torch", "momentum"]["switches"] == {"epsilon_place": "outside", "learning_rate_place": "outside"}
    assert rows["torch", "weight_decay"]["switches"]["weight_decay_form"] == "coupled"
    assert {pair["outcome"] for pair in pairs} == {"SWITCHES"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_optax_multiplies_by_the_reciprocal_root():
    pytest.importorskip("optax")
    rows, _ = own("reference", "optax")
    assert rows["optax", "plain"]["verdict"] == "ROUNDING"
    # A reciprocal root is an instruction of the processor's: to the bit it is what the page makes of it, or not.
    assert rows["optax", "plain"]["rounding"] in ({}, {"division": "rsqrt", "increment_order": "quotient_first"})
    assert not rows["optax", "plain"]["switches"]
