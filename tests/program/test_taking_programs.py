"""A file is taken without what trains in it; weights are places, calls expressions, changes one line each."""

import copy
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from programs import SHAPES, written

from parity.bounds import functions as f
from parity.bounds.bounded import Bounded, exact
from parity.bounds.numerics import format_of
from parity.errors import SubjectError
from parity.explain.whole.calls import recognised_calls
from parity.explain.whole.copying import copied
from parity.explain.whole.edits import edits
from parity.explain.whole.forms import output
from parity.explain.whole.gradients import gradients_of
from parity.explain.whole.places import Place, read, recognised, write
from parity.explain.whole.quantity import Outcome, held, nearest
from parity.explain.whole.start_stage import told_apart
from parity.explain.whole.taking import take

SIZES = ((6, 7), (7,), (7, 4), (4,))


def test_what_trains_in_a_file_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\nW = np.ones(3)\nW += 1\nlog = []\n\ndef train(x):\n    raise SystemExit\n\n"
        "history = train(W)\nfor _ in range(9):\n    log.append(1)\nwhile True:\n    pass\n"
        "X = np.loadtxt('nowhere.csv')\nY = X + 1\nif __name__ == '__main__':\n    net = dict(W=W)\n    train(net)\n"
    )
    taken = take(path)
    assert taken.names["W"].tolist() == [2.0, 2.0, 2.0]
    assert taken.names["log"] == []
    assert "history" not in taken.names
    assert "net" in taken.names
    assert [line.partition(":")[0] for line in taken.left] == ["line 9", "line 14", "line 15"]


def test_a_loop_that_trains_at_the_top_is_a_call_that_runs_its_body_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\nw = np.ones(2)\nimages = read()\nfor epoch in range(9):\n"
        "    for i, (image, label) in enumerate(images):\n        w = w + image * label\n"
        "        if i % 2 == 0:\n            continue\n        raise SystemExit\n    print(epoch, label)\n"
    )
    taken = take(path)
    assert taken.names["w"].tolist() == [1, 1]
    assert taken.loops(image=np.array([1.0, 2.0]), label=3.0).w.tolist() == [4, 7]
    with pytest.raises(SubjectError, match="no loop at the top of the file reads batch; its loops: line 4, line 5"):
        taken.loops(batch=1)


def test_a_file_of_a_package_finds_what_lies_beside_it(tmp_path: Path) -> None:
    package = tmp_path / "nets" / "models"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package.parent / "pieces.py").write_text("def affine(x):\n    return 2 * x\n")
    (package / "mine.py").write_text("from ..pieces import *\n\n\ndef forward(x):\n    return affine(x)\n")
    assert take(package / "mine.py").names["forward"](4) == 8


def test_layers_in_names_of_their_own_are_found_and_gradients_are_no_weights() -> None:
    class Layer:
        def __init__(self, inputs: int, units: int) -> None:
            self.weights, self.biases = np.ones((inputs, units)), np.zeros((1, units))
            self.dweights, self.dbiases, self.weight_momentums = (np.ones((inputs, units)),) * 3

    found = recognised({"dense1": Layer(6, 7), "dense2": Layer(7, 4), "dW1": np.ones((6, 7))}, SIZES)
    assert [str(ways[0]) for ways in found] == ["dense1.weights", "dense1.biases", "dense2.weights", "dense2.biases"]


def test_kernels_of_one_channel_and_rows_by_channels_are_read_as_keras_has_them() -> None:
    (ways,) = recognised({"filters": np.arange(18.0).reshape(2, 3, 3)}, [(3, 3, 1, 2)])
    assert "filters.transpose(1,2,0)" in map(str, ways)
    held = {"filters": np.arange(18.0).reshape(2, 3, 3), "W": np.arange(24.0).reshape(12, 2)}
    kernel = read(held, Place.of("filters.transpose(1,2,0)"), (3, 3, 1, 2))
    assert kernel[1, 2, 0, 1] == held["filters"][1, 1, 2]
    place = Place.of("W.rows(3,2,2)")
    assert str(place) == "W.rows(3,2,2)"
    matrix = read(held, place, (12, 2))
    # Keras' row of the pixel (1, 0) in channel 2 is the eighth; by channels it is the tenth.
    assert matrix[(1 * 2 + 0) * 3 + 2].tolist() == held["W"][2 * 4 + 1 * 2 + 0].tolist()
    before = held["W"].copy()
    write(held, place, matrix)
    write(held, Place.of("filters.transpose(1,2,0)"), kernel)
    assert held["W"].tolist() == before.tolist()
    assert held["filters"].tolist() == np.arange(18.0).reshape(2, 3, 3).tolist()


def test_a_place_reads_and_writes_whichever_way_a_tensor_is_held() -> None:
    held = {"layers": [{"W": np.arange(6.0).reshape(2, 3), "b": np.zeros((3, 1))}]}
    alias = held["layers"][0]["W"]
    place = Place.of("layers.0.W.T")
    assert read(held, place, (3, 2)).tolist() == held["layers"][0]["W"].T.tolist()
    write(held, place, np.ones((3, 2)))
    assert alias.tolist() == np.ones((2, 3)).tolist()  # in place: what shares it sees it
    assert read(held, Place.of("layers.0.b"), (3,)).shape == (3,)
    turned = Place.of("kernel.transpose(2,3,1,0)")
    kernel = np.arange(24.0).reshape(2, 3, 2, 2)
    assert turned.back(turned.turned(kernel)).tolist() == kernel.tolist()


@pytest.mark.parametrize(("path", "said"), [("layers.1.W", "no '1'"), ("layer.0.W", "Did you mean 'layers'?")])
def test_a_path_that_leads_nowhere_says_what_there_is(path: str, said: str) -> None:
    with pytest.raises(SubjectError, match=said.replace("?", "\\?")):
        read({"layers": [{"W": np.ones(2)}]}, Place.of(path), (2,))


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if not SHAPES[shape].bind and not SHAPES[shape].name])
def test_names_say_where_weights_are_and_which_call_is_which(shape: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(written(shape))
    names = take(path).names
    owner = next((name for name in ("net", "mlp") if name in names), "")
    found = recognised(names[owner] if owner else names, SIZES)
    assert len(found) == 4
    places = [Place(f"{owner}.{ways[0].path}" if owner else ways[0].path, ways[0].axes) for ways in found]
    calls = recognised_calls(names, "", places)
    assert calls["predict"]
    assert calls["step"]


def test_gradients_are_put_beside_their_weights_in_whatever_order_they_come() -> None:
    places = [Place(name) for name in ("W1", "b1", "W2", "b2")]
    arrays = [np.full(size, number, dtype=float) for number, size in enumerate(SIZES)]
    w1, b1, w2, b2 = arrays
    returned = [
        (w1, b1, w2, b2),
        ([w1, w2], [b1, b2]),
        ([b1, b2], [w1, w2]),
        (0.5, [w1, b1, w2, b2]),
        {"dW1": w1, "db1": b1[None], "dW2": w2, "db2": b2[:, None]},
    ]
    for value in returned:
        assert [each.ravel()[0] for each in gradients_of(value, places, SIZES)[0]] == [0, 1, 2, 3]
    with pytest.raises(SubjectError, match="shapes"):
        gradients_of((w1, b1, w2, b1), places, SIZES)


def test_an_output_whose_examples_are_columns_is_read_so_though_its_inputs_are_rows() -> None:
    columns = np.arange(15.0).reshape(3, 5)
    assert np.array_equal(output(columns, 5, (3,), "rows"), columns.T)
    assert np.array_equal(output(columns.T, 5, (3,), "rows"), columns.T)


def test_changes_are_one_line_each_and_likely_ones_first() -> None:
    text = "import numpy as np\n\n\ndef forward(x):\n    z = x @ W / 512 + b\n    return np.sum(z, axis=0)\n"
    found = list(edits(text, (1 / 512,)))
    assert (found[0].line, found[0].becomes) == (5, "z = x @ W + b")
    assert {"return np.mean(z, axis=0)", "return np.sum(z, axis=1)"} <= {edit.becomes for edit in found}
    for edit in found:
        changed = edit.text.splitlines()
        assert [n for n, line in enumerate(text.splitlines()) if changed[n] != line] == [edit.line - 1]


def test_two_samples_are_told_apart_by_their_distribution_alone() -> None:
    rng = np.random.default_rng(3)
    uniform = rng.uniform(-1, 1, (2, 600))
    assert not told_apart(uniform[0], uniform[1])
    assert told_apart(uniform[0], rng.standard_normal(600))
    assert not told_apart(np.zeros(5), np.zeros(7))
    assert told_apart(np.zeros(5), uniform[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_product_of_matrices_in_any_order_lies_inside_its_bound(dtype: type) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((5, 300)).astype(dtype), rng.standard_normal((300, 4)).astype(dtype)
    bounded = exact(x) @ exact(y)
    for order in (np.arange(300), rng.permutation(300), np.argsort(np.abs(x[0]))):
        total = np.zeros((5, 4), dtype)
        for at in order:
            total = (total + x[:, at : at + 1] * y[at : at + 1]).astype(dtype)
        assert (np.abs(total - bounded.value) <= bounded.error).all()
        assert (np.abs(total * dtype(1.001) - bounded.value) > bounded.error).any()


def test_a_choice_that_rounding_may_decide_covers_both() -> None:
    x = exact(np.array([1.0, -1.0, 0.0], np.float32), 1e-3)
    chosen = f.chosen(f.above(x), exact(np.full(3, 2.0, np.float32)), exact(np.zeros(3, np.float32)))
    assert chosen.value.tolist() == [2.0, 0.0, 0.0]
    assert chosen.error.tolist() == [0.0, 0.0, 2.0]


def test_what_only_shows_something_has_a_stand_in(tmp_path: Path) -> None:
    text = "import matplotlib.pyplot as plt\nfrom tqdm import tqdm\nfigure, axes = plt.subplots()\n"
    text += "bar = tqdm([3, 4], total=2)\nseen = list(bar)\nline = axes.lines[0].set(x=1).show()\n"
    (tmp_path / "mine.py").write_text(text)
    taken = take(tmp_path / "mine.py")
    assert taken.names["seen"] == [3, 4]
    assert copy.deepcopy(taken.names["figure"]) is taken.names["figure"]
    assert [each.partition(":")[2] for each in taken.left] == [
        " matplotlib.pyplot is not imported",
        " tqdm is not imported",
    ]


def test_a_bound_that_is_no_number_holds_nothing() -> None:
    unknown = Bounded(np.ones(2), np.array([np.nan, 1.0]), format_of(np.float32))
    assert held(np.array([1.5, 1.0]), unknown).outcome is Outcome.UNDECIDED
    assert held(np.ones(2), unknown).outcome is Outcome.ROUNDING


def test_a_copy_keeps_what_shares_memory_together() -> None:
    whole = np.arange(6.0)
    held = {"whole": whole, "kernel": whole[:4].reshape(2, 2), "turned": whole[:4].reshape(2, 2).T, "bias": whole[4:]}
    other = copied(held)
    other["whole"][:] = 7
    assert all((array == 7).all() for array in other.values())
    assert [array.strides for array in other.values()] == [array.strides for array in held.values()]
    assert whole[5] == 5


def test_a_copy_keeps_what_is_kept_by_the_identity_of_objects() -> None:
    weights = [np.ones(3), np.zeros(2)]
    held = {"weights": weights, "moments": {id(array): array + 5 for array in weights}, "steps": {0: 1, 7: 2}}
    for other in (copied(held), copied(copied(held))):
        assert [other["moments"][id(array)][0] for array in other["weights"]] == [6, 5]
        assert other["steps"] == {0: 1, 7: 2}
    assert [*held["moments"]] == [id(array) for array in weights]


def test_weights_of_a_named_tuple_are_found() -> None:
    Params = namedtuple("Params", "W1 b1 W2 b2")  # as people write
    params = Params(*(np.ones(shape) for shape in SIZES))
    found = recognised({"params": params}, SIZES)
    assert [str(ways[0]) for ways in found] == ["params.W1", "params.b1", "params.W2", "params.b2"]
    write({"params": params}, found[0][0], np.full((6, 7), 2.0))
    assert (params.W1 == 2).all()


def test_of_reasons_that_fit_none_is_kept_that_leaves_ten_times_another() -> None:
    left = {"far": 3e-4, "right": 2e-8, "beside it": 1e-7, "not far": 5e-7}
    assert nearest(list(left), left.__getitem__) == ["right", "beside it"]
    assert nearest(["far"], left.__getitem__) == ["far"]
    exact = {"to the last digit": 0.0, "but for a sum's rounding": 5e-14, "not": 1e-9}
    assert nearest(list(exact), exact.__getitem__) == ["to the last digit", "but for a sum's rounding"]
