"""The program of the question in its own shape, module globals and a loop at the end, beside a plain Keras model."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]

HERE = Path(__file__).parent
BINDING = {"step": "update(backward(x, y))"}
"""One line: its update is passed gradients, which no name says."""


def rows(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [row for row in answer["quantities"] if row["name"] == name]


def says_what_is_wrong(answer: dict[str, Any], units: int) -> None:
    """The last layer by 1/512, the gradient 512 times its own loss's, other weights, accumulators that start at one."""
    (prediction,) = rows(answer, "prediction")
    assert (prediction["outcome"], prediction["factor"]) == ("DIVERGED", 1 / units)
    assert [row["outcome"] for row in rows(answer, "loss")] == ["ROUNDING"]
    own = rows(answer, "own gradient")
    assert [row["factor"] and round(row["factor"], 3) for row in own] == [units, units, units, None]
    assert answer["consistent"] is False
    differing = [row["tensor"] for row in rows(answer, "weights") if row["outcome"] == "DIVERGED"]
    assert [name.partition("/")[2] for name in differing] == ["kernel", "kernel"]
    named = [each["mistake"] for each in answer["explanation"]]
    assert named == ["initial_weights", "forward_scale", "gradient_scale_from", "update_rule"]
    assert all(each["confirmed"] for each in answer["explanation"])
    assert answer["explanation"][3]["sentence"] == "The second moment starts at one instead of zero"
    changed = [(each["was"], each["becomes"], each["agrees"]) for each in answer["repairs"]]
    assert changed == [
        (f"z2 = a1 @ W2 / {units} + B2", "z2 = a1 @ W2 + B2", ["prediction", "gradient"]),
        (
            "cache = [np.ones_like(p) for p in (W1, B1, W2, B2)]",
            "cache = [np.zeros_like(p) for p in (W1, B1, W2, B2)]",
            ["update"],
        ),
    ]


@pytest.mark.exhaustive
def test_a_small_one_is_told_apart_from_its_model(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    from parity.explain.whole.stages import answer

    for name in ("posted_program.py", "question_model.py"):
        text = (HERE / name).read_text().replace("784", "36").replace("512", "16")
        (tmp_path / name).write_text(text)
    keras = (tmp_path / "question_model.py", "build")
    found = answer(tmp_path / "posted_program.py", "", keras, "", BINDING, 30.0)
    says_what_is_wrong(found.document(), 16)


@pytest.mark.exhaustive
def test_one_command_says_it_of_the_question_itself(tmp_path: Path) -> None:
    words = [HERE / "posted_program.py", "--keras", f"{HERE / 'question_model.py'}:build", "--data", "mnist"]
    words += ["--bind", f"step={BINDING['step']}", "--json", "--page", tmp_path / "answer.html"]
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "parity", "program", *map(str, words)],
        capture_output=True,
        env=environment,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    says_what_is_wrong(answer, 512)
    curves = answer["curves"]["curves"]
    # So changed, it trains as Keras does: both on the same batches, from the same weights. Free runs drift by rounding;
    # that far apart they would not cross the half that the line below asks of the unchanged program.
    assert curves["yours with these lines changed"][-1] == pytest.approx(curves["Keras"][-1], rel=1e-2)
    assert curves["yours"][-1] > 1.5 * curves["Keras"][-1]
    page = (tmp_path / "answer.html").read_text()
    assert "yours with these lines changed" in page
    assert "z2 = a1 @ W2 + B2" in page
