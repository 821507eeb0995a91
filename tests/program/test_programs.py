"""Programs in the shapes that people write: the right ones are not accused, and each mistake is named where it is."""

from pathlib import Path
from typing import Any

import pytest
from programs import FAULTS, KERAS, SHAPES, written

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]

RIGHT = list(SHAPES)
SEEN_BY_STEPS = {
    *("loss summed", "loss over classes too", "loss sign", "another rate"),
    *("smoothed labels", "logarithm of barely shifted probabilities"),
    *("logarithm of a softmax of probabilities", "logarithm of shifted probabilities"),
}
"""What a program that only trains does not show."""


def pairs() -> list[tuple[str, str]]:
    """Each mistake in two shapes, another pair of them for each."""
    found = []
    for at, fault in enumerate(FAULTS):
        able = [shape for shape in SHAPES if shape != "step alone" or fault not in SEEN_BY_STEPS]
        found += [(able[at % len(able)], fault), (able[(at * 3 + 2) % len(able)], fault)]
    return found


QUICK = [pairs()[at] for at in (1, 5, 14, 17, 22, 28)]
TOGETHER = [
    ("module globals", "loss summed", "bias mean"),
    ("dictionary and functions", "normal weights", "gradient summed"),
    ("object with parallel lists", "bias left out", "loss summed"),
    ("layers with attributes", "loss over classes too", "no derivative"),
    ("layers that hold dictionaries", "normal weights", "loss sign"),
    ("two-layer class with a dictionary", "bias left out", "bias over all"),
    ("named attributes", "loss summed", "gradient sign"),
    ("module globals", "normal weights", "derivative of the sum"),
    ("dictionary and functions", "loss sign", "divided twice"),
    ("layers with attributes", "loss summed", "another rate"),
]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("tensorflow")
    from parity.explain.whole.stages import answer

    folder = tmp_path_factory.mktemp("programs")
    (folder / "model.py").write_text(KERAS)

    def ask(shape: str, *faults: str) -> Any:
        path = folder / f"{'_'.join((shape, *faults)).replace(' ', '_')}.py"
        path.write_text(written(shape, *faults))
        before = {each.name for each in folder.iterdir()}
        bound = dict(text.split("=", 1) for text in SHAPES[shape].bind)
        found = answer(path, SHAPES[shape].name, (folder / "model.py", "build"), "", bound, 30.0)
        assert {each.name for each in folder.iterdir()} - {"__pycache__"} == before - {"__pycache__"}
        return found

    return ask


def holds(found: Any, *faults: str) -> None:
    """A mistake is first where it shows, named, and confirmed on batches that the search did not use."""
    assert found.first is not None
    shows = [FAULTS[fault].first for fault in faults]
    assert found.first.name in shows or (found.first.name, shows) == ("gradient", ["own gradient"])
    named = [mistake.name for mistake in found.mistakes]
    assert {FAULTS[fault].mistake for fault in faults} <= {*named}
    assert all(mistake.confirmed for mistake in found.mistakes)


@pytest.mark.parametrize("shape", RIGHT[:3])
def test_a_right_program_is_not_accused(asked: Any, shape: str) -> None:
    found = asked(shape)
    assert (found.first, found.mistakes, found.verdict) == (None, [], "ROUNDING")


@pytest.mark.exhaustive
@pytest.mark.parametrize("shape", RIGHT[3:])
def test_nor_is_one_in_another_shape(asked: Any, shape: str) -> None:
    test_a_right_program_is_not_accused(asked, shape)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("shape", "fault"), QUICK)
def test_a_mistake_is_named_and_confirmed_where_it_is_first(asked: Any, shape: str, fault: str) -> None:
    holds(asked(shape, fault), fault)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("shape", "fault"), [pair for pair in pairs() if pair not in QUICK])
def test_so_is_every_other(asked: Any, shape: str, fault: str) -> None:
    holds(asked(shape, fault), fault)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("shape", "one", "two"), TOGETHER)
def test_two_mistakes_are_both_named(asked: Any, shape: str, one: str, two: str) -> None:
    holds(asked(shape, one, two), one, two)


@pytest.mark.parametrize("shape", RIGHT)
def test_a_program_is_the_same_text_but_for_its_mistake(shape: str) -> None:
    right, wrong = written(shape), written(shape, "gradient sign")
    assert right != wrong
    assert len(right.splitlines()) == len(wrong.splitlines())


def narrow(text: str) -> str:
    """Return a program whose weights are float32."""
    text = text.replace("return np.random", "return np.float32(1) * np.random")
    return text.replace("np.zeros(7)", "np.zeros(7, np.float32)").replace("np.zeros(4)", "np.zeros(4, np.float32)")


def test_a_program_in_float32_is_not_accused(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    from parity.explain.whole.stages import answer

    path = tmp_path / "narrow.py"
    path.write_text(narrow(written("module globals")))
    (tmp_path / "model.py").write_text(KERAS)
    found = answer(path, "", (tmp_path / "model.py", "build"), "", {}, 30.0)
    assert (found.first, found.mistakes) == (None, [])


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_beside_a_model_in_float64_too(fault: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    from parity.explain.whole.stages import answer

    (tmp_path / "mine.py").write_text(written("module globals", *([fault] if fault else [])))
    model = KERAS.replace('activation="tanh"', 'activation="tanh", dtype="float64"')
    (tmp_path / "model.py").write_text(model.replace('activation="softmax"', 'activation="softmax", dtype="float64"'))
    found = answer(tmp_path / "mine.py", "", (tmp_path / "model.py", "build"), "", {}, 30.0)
    if fault:
        holds(found, fault)
    else:
        assert (found.first, found.mistakes, found.verdict) == (None, [], "ROUNDING")


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", FAULTS)
def test_of_a_program_in_float32_too(fault: str, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    from parity.explain.whole.stages import answer

    (tmp_path / "mine.py").write_text(narrow(written("module globals", fault)))
    (tmp_path / "model.py").write_text(KERAS)
    holds(answer(tmp_path / "mine.py", "", (tmp_path / "model.py", "build"), "", {}, 30.0), fault)
