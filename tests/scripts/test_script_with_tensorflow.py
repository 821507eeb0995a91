"""Scripts about libraries: what Keras, a class that extends it, and TensorFlow 1 are written as shows the same bits."""

import re
from functools import cache
from pathlib import Path

import pytest

from parity.case.cells import select
from parity.export.script.reproduce import NOT_SHOWN, WRITTEN, Outcome, reproduce
from parity.export.script.text import LINES

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]

# The first class of a file of several: a file of one class is shown whole.
OWN = (Path(__file__).parents[1] / "binding" / "own_in_keras.py").read_text("utf-8").partition("\n\n\nclass Right")[0]


@pytest.fixture(scope="module", autouse=True)
def tf():
    return pytest.importorskip("tensorflow")


@cache
def outcome(subject: str, case: str) -> Outcome:
    return reproduce(subject, select([case]), 20.0, lambda text: None)


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("subject", "case", "words"),
    [
        ("keras-xla", "found/loss_scale_float16", ["jit_compile=True", "loss_scale_factor=4096.0", "_velocities[0]"]),
        ("keras-eager", "found/sparse_repeated_rows", ["tf.IndexedSlices(", "np.add.at(gradient, *grads"]),
        ("keras-graph", "found/sparse_loss_scale", ["tf.function(lambda now", "except Exception as error:"]),
        ("tf1", "rmsprop/plain[float32]", ["tf.compat.v1.train.RMSPropOptimizer(", "before the first step"]),
    ],
)
def test_a_librarys_fault_is_shown_in_its_own_words(subject: str, case: str, words: list[str]) -> None:
    found = outcome(subject, case)
    assert (found.status, found.reason) == (WRITTEN, "")
    assert found.script.count("\n") <= LINES
    assert not re.search(r"^(import|from) parity", found.script, re.MULTILINE)
    for word in words:
        assert word in " ".join(found.script.split())


def test_a_known_fault_is_told_with_its_reason_and_the_versions() -> None:
    head = " ".join(outcome("keras-xla", "found/loss_scale_float16").script.partition('"""\n\nimport')[0].split())
    assert "keras.optimizers.RMSprop, compiled by XLA, parts from its own formula" in head
    assert "that constant is zero in float16 for scales above 1750" in head
    assert re.search(r"Seen with keras 3\.\d+\.\d+, tensorflow 2\.\d+\.\d+, numpy", head)


def test_a_class_that_extends_keras_optimizer_is_shown_in_its_mode(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN, encoding="utf-8")
    found = outcome(f"keras-graph:{tmp_path}/mine.py:Outside", "rmsprop/defaults")
    assert (found.status, found.reason) == (WRITTEN, "")
    assert "class Outside(keras.optimizers.Optimizer):" in found.script
    assert "apply = tf.function(lambda now: optimizer.apply(now, variables))" in found.script


@pytest.mark.exhaustive
def test_a_class_that_extends_keras_optimizer_is_written_with_what_was_bound_by_hand(tmp_path: Path) -> None:
    text = OWN.replace("rho=0.9", "forget=0.5").replace("= rho, eps", "= forget, eps")
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    found = outcome(f"keras-eager:{tmp_path}/mine.py:Outside[rho=forget]", "rmsprop/plain[float32]")
    assert (found.status, found.reason) == (WRITTEN, "")
    (made,) = re.findall(r"optimizer = Outside\(.*\)", found.script)
    assert "forget=0.9" in made


@pytest.mark.exhaustive
def test_a_fault_inside_fit_is_shown_inside_fit() -> None:
    found = outcome("keras-fit", "rmsprop/weight_decay_anchored")
    assert (found.status, found.reason) == (WRITTEN, "")
    assert found.script.count("\n") <= LINES
    assert "keras.optimizers.RMSprop, inside model.fit, parts from its own formula" in found.script
    assert "var_names=['^sc']" in found.script


def test_gradients_that_fit_computes_are_no_update_rules() -> None:
    found = outcome("keras-fit", "network/float64")
    assert found.status == NOT_SHOWN
    assert "a script shows an update rule alone" in found.reason
