"""What is wrong with a program, a model, data or a binding is one message, and nothing is written beside them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from programs import KERAS, written

from parity.errors import SubjectError
from parity.explain.whole.text import render

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]

RIGHT = written("module globals")
MODELS = {
    "not compiled": (
        "def build():\n    import keras\n    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])",
        "not compiled",
    ),
    "no loss": (KERAS.replace(', loss="categorical_crossentropy"', ""), "without a loss"),
    "raises": ("def build():\n    raise ValueError('no GPU')", "no GPU"),
    "exits": ("def build():\n    raise SystemExit(3)", "sys.exit(3)"),
    "is no model": ("def build():\n    return 7", "returned int"),
    "needs arguments": ("def build(size):\n    return size", "missing 1 required positional argument"),
    "has another name": ("def make():\n    return 7", "no function 'build'"),
    "is no Python": ("def build(:", "SyntaxError"),
    "exits on import": ("raise SystemExit(4)", "sys.exit(4)"),
    "no weights yet": (
        "def build():\n    import keras\n    model = keras.Sequential([keras.layers.Dense(2)])\n"
        "    model.compile('sgd', 'mse')\n    return model",
        "no weights yet",
    ),
    "keeps statistics": (
        KERAS.replace("keras.layers.Dense(4", "keras.layers.BatchNormalization(), keras.layers.Dense(4"),
        "weights that are not trained",
    ),
    "two outputs": (
        "def build():\n    import keras\n    x = keras.Input((6,))\n    d = keras.layers.Dense(2)\n"
        "    model = keras.Model(x, [d(x), keras.layers.Dense(3)(x)])\n    model.compile('sgd', ['mse', 'mse'])\n"
        "    return model",
        "more than one output",
    ),
    "has a loss that raises": (
        KERAS.replace('loss="categorical_crossentropy"', "loss=lambda y, p: 1 / 0"),
        "the model raised ZeroDivisionError",
    ),
    "data do not fit": (
        KERAS + "\n\ndef data():\n    return [[1.0, 2.0]], [[1.0, 0, 0, 0]]\n",
        "the model takes (n, 6)",
    ),
    "data are not finite": (
        KERAS + "\n\ndef data():\n    return [[float('nan')] * 6], [[1.0, 0, 0, 0]]\n",
        "NaN or infinity",
    ),
    "data are of two lengths": (KERAS + "\n\ndef data():\n    return [[1.0] * 6], [[1.0, 0, 0, 0]] * 2\n", "as many"),
    "data raise": (KERAS + "\n\ndef data():\n    return open('nowhere.csv')\n", "nowhere.csv"),
}
PROGRAMS = {
    "is no Python": ("def forward(x:", {}, "no Python"),
    "has no weights": ("import numpy as np\n\n\ndef forward(x):\n    return x\n", {}, "were not found"),
    "has other shapes": (RIGHT.replace("start(6, 7)", "start(6, 8)"), {}, "were not found"),
    "has no calls": (
        "import numpy as np\nW1, b1, W2, b2 = np.ones((6, 7)), np.ones(7), np.ones((7, 4)), np.ones(4)\n",
        {},
        "no call",
    ),
    "is bound to nothing": (RIGHT, {"weights": "W1,b1,W2,b9"}, "no 'b9'"),
    "is bound to too few": (RIGHT, {"weights": "W1,b1"}, "2 paths; the model has 4"),
    "is bound to the wrong shape": (RIGHT, {"weights": "W1.T,b1,W2,b2"}, "has shape (7, 6)"),
    "is bound to no array": (RIGHT, {"weights": "forward,b1,W2,b2"}, "holds no array"),
    "is bound to a loop that is not there": (
        RIGHT[: RIGHT.index("def forward")],
        {"predict": "loop(images=x).p"},
        "no loop at the top of the file reads images",
    ),
    "is bound to a call that is not there": (RIGHT, {"predict": "forwrd(x)"}, "'forwrd(x)': raised NameError"),
    "is bound to no expression": (RIGHT, {"loss": "loss(x, y"}, "was never closed"),
    "is bound to too few arguments": (RIGHT, {"step": "step(x)"}, "missing 1 required positional argument: 'y'"),
    "is bound to no gradients": (RIGHT, {"grads": "7"}, "no gradient of W1 was returned"),
    "is bound to no number": (RIGHT, {"loss": "forward(x)[1]"}, "is no number"),
    "is bound to rows that are not there": (RIGHT, {"weights": "W1.rows(4,4,4),b1,W2,b2"}, "holds no array"),
    "cannot be made": (RIGHT, {"make": "Network(3)"}, "raised NameError"),
    "has weights of NaN": (RIGHT.replace("return a1, softmax(z2, 1)", "return a1, softmax(z2, 1) * np.nan"), {}, ""),
    "prints": (
        "print('training', flush=True)\n" + RIGHT.replace("def forward(x):", "def forward(x):\n    print('x')"),
        {},
        "",
    ),
    "raises in its calls": (RIGHT.replace("a1 = np.tanh(z1)", "raise RuntimeError('later')"), {}, "later"),
}


@pytest.fixture(scope="module")
def tensorflow() -> None:
    pytest.importorskip("tensorflow")


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if "__pycache__" not in path.parts}


def ask(folder: Path, program: str, model: str, bound: dict[str, str]) -> Any:
    from parity.explain.whole.stages import answer

    (folder / "mine.py").write_text(program)
    (folder / "model.py").write_text(model)
    before = files(folder)
    try:
        return answer(folder / "mine.py", "", (folder / "model.py", "build"), "", bound, 5.0)
    finally:
        assert files(folder) == before


@pytest.mark.parametrize("wrong", MODELS)
def test_a_model_that_cannot_be_compared_is_refused_in_one_message(
    wrong: str, tmp_path: Path, tensorflow: None
) -> None:
    from parity.errors import ParityError

    text, said = MODELS[wrong]
    with pytest.raises(ParityError) as error:
        ask(tmp_path, RIGHT, text, {})
    assert said in str(error.value)
    assert "Traceback" not in str(error.value)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("wrong", PROGRAMS)
def test_a_program_that_cannot_be_asked_is_refused_or_parts(wrong: str, tmp_path: Path, tensorflow: None) -> None:
    from parity.errors import ParityError

    text, bound, said = PROGRAMS[wrong]
    if said:
        with pytest.raises(ParityError) as error:
            ask(tmp_path, text, KERAS, bound)
        assert said in str(error.value)
        assert "Traceback" not in str(error.value)
    else:
        found = ask(tmp_path, text, KERAS, bound)
        assert found.verdict == ("DIVERGED" if "NaN" in wrong else "ROUNDING")


def test_what_is_not_a_number_depends_on_no_step_before(tmp_path: Path, tensorflow: None) -> None:
    found = ask(tmp_path, RIGHT.replace("d2 = (p - y)", "d2 = np.nan * (p - y)"), KERAS, {})
    assert [stage.outcome.name for stage in found.stages if stage.name == "gradient"] == ["NON_FINITE"] * 4
    assert found.mistakes == []


LOSS = "-np.sum(y * np.log(p)) / len(x)"


@pytest.mark.parametrize(
    ("own", "said"),
    [(f"complex({LOSS})", "the loss is complex: its dtype is complex128"), (f"str({LOSS})", "the loss is text: '")],
)
def test_a_loss_that_is_no_number_is_told_and_is_no_agreement(
    own: str, said: str, tmp_path: Path, tensorflow: None
) -> None:
    found = ask(tmp_path, RIGHT.replace(LOSS, own), KERAS, {})
    (loss,) = [stage for stage in found.stages if stage.name == "loss"]
    assert (loss.outcome.name, found.verdict, found.first) == ("NOT_COMPARABLE", "NOT_COMPARABLE", loss)
    assert f"Not comparable: loss: {said}" in render(found.document())
    assert [stage.note for stage in found.stages if stage.name == "own gradient"] == [
        "its call for loss yields nothing of use"
    ]


def test_a_loss_that_is_only_printed_is_not_seen(tmp_path: Path, tensorflow: None) -> None:
    found = ask(tmp_path, RIGHT.replace(f"return {LOSS}", f"print({LOSS})"), KERAS, {})
    (loss,) = [stage for stage in found.stages if stage.name == "loss"]
    assert (loss.outcome.name, loss.note) == ("UNSEEN", "the loss is no number: nothing is returned")


def test_a_program_that_hangs_is_stopped(tmp_path: Path, tensorflow: None) -> None:
    from parity.errors import MisbehavedError
    from parity.explain.whole.asked import Asked

    (tmp_path / "mine.py").write_text(RIGHT.replace("a1 = np.tanh(z1)", "while True: pass"))
    asked = Asked(tmp_path / "mine.py", "", {}, [(6, 7), (7,), (7, 4), (4,)], seconds=1.0)
    import numpy as np

    arrays = [np.ones(shape) for shape in ((6, 7), (7,), (7, 4), (4,))]
    with pytest.raises(MisbehavedError, match="did not answer within 1 s"):
        asked.evaluate(["W1", "b1", "W2", "b2"], {"predict": "forward(x)"}, arrays, np.ones((2, 6)), np.ones((2, 4)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mine.py"], "--keras"),
        (["nowhere.py", "--keras", "model.py:build"], "no such file"),
        (["mine.py", "--keras", "model.py", "--page", "."], "it is a folder"),
        (["mine.py", "--keras", "model.py", "--page", "nowhere/answer.html"], "there is no folder nowhere"),
        (["mine.txt", "--keras", "model.py:build"], "allowed: a Python file"),
        (["mine.py", "--keras", "nowhere.py:build"], "no such file"),
        (["mine.py", "--keras", "model.py", "--bind", "wieghts=W1"], "Did you mean 'weights'?"),
        (["mine.py", "--keras", "model.py", "--bind", "weights"], "no '=' in it"),
        (["mine.py", "--keras", "model.py", "--bind", "nowhere.toml"], "cannot be read"),
        (["mine.py", "--keras", "model.py", "--time-limit", "0"], "above 0"),
        (["mine.py", "--keras", "model.py", "--bind", "loss=a", "--bind", "loss=b"], "once"),
    ],
)
def test_a_mistake_in_the_call_is_one_message_and_status_2(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(RIGHT)
    (tmp_path / "model.py").write_text(KERAS)
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "parity", "program", *words]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(root), "PATH": ""}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("data", "said"), [("nowhere.npz", "--data nowhere.npz: no such file"), ("model.py:bulid", "has no function")]
)
def test_data_that_cannot_be_read_are_said_with_their_name(
    data: str, said: str, tmp_path: Path, tensorflow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parity.errors import DataError
    from parity.explain.whole.stages import answer

    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(RIGHT)
    Path("model.py").write_text(KERAS)
    with pytest.raises(DataError) as error:
        answer(Path("mine.py"), "", (Path("model.py"), "build"), data, {}, 5.0)
    assert said in str(error.value)


def test_a_name_that_the_file_has_not_is_said_with_the_nearest(tmp_path: Path, tensorflow: None) -> None:
    from parity.explain.whole.person import Program

    (tmp_path / "mine.py").write_text("class Network:\n    pass\n")
    with pytest.raises(SubjectError, match=r"no name 'Netwrk'\. Did you mean 'Network'\? There is: Network"):
        Program(tmp_path / "mine.py", "Netwrk")
