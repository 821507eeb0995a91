"""The fixture and the function of the plugin, in the test suite of somebody else."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from optimizer_source import OPTIMIZERS

Run = Callable[..., pytest.RunResult]

THREE_LINES = "def test_mine(parity):\n    parity.assert_parity({}, cases='rmsprop/*')\n"


@pytest.fixture(scope="module")
def failure(tmp_path_factory: pytest.TempPathFactory, plugins: tuple[str, ...]) -> tuple[Path, str]:
    """Return a folder in which a wrong optimizer failed its test, and what pytest printed; tests only read them."""
    folder = tmp_path_factory.mktemp("failure")
    (folder / "optimizers.py").write_text(OPTIMIZERS, encoding="utf-8")
    (folder / "test_mine.py").write_text(
        f"from optimizers import Wrong\n\n{THREE_LINES.format('Wrong')}", encoding="utf-8"
    )
    command = [sys.executable, "-m", "pytest", *plugins, "--junitxml=junit.xml"]
    return folder, subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout


def test_a_right_optimizer_passes_and_what_it_lacks_is_told(run: Run) -> None:
    result = run(THREE_LINES.format("Right"))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*not compared for want of*", "test_mine.py::test_mine: *momentum*clipnorm*"])


def test_a_wrong_optimizer_fails_and_tells_everything_in_a_fixed_order(failure: tuple[Path, str]) -> None:
    _, text = failure
    assert re.search(r"^=+ 1 failed in .* =+$", text, re.MULTILINE)
    words = ["case rmsprop/", "subject optimizers.py:Wrong", "DIVERGED: ", "first divergence: step 0, slot parameter"]
    words += ["tensor ", "index [", "obtained ", "expected ", "difference ", "bound "]
    words += ["likeliest explanation: epsilon is added after the root instead of under it", "residual    0: every bit"]
    words += ["runner-up ", "reproduce: parity run 'rmsprop/", "--subject optimizers.py:Wrong", "in all: "]
    position = 0
    for word in words:
        position = text.index(word, position)
    assert "parity/testing" not in text


def test_the_command_of_a_failure_reproduces_it(failure: tuple[Path, str]) -> None:
    folder, text = failure
    found = re.search(r"reproduce: parity run '(.*)' --subject (\S+)", text)
    assert found is not None
    command = [sys.executable, "-m", "parity", "run", found[1], "--subject", found[2]]
    again = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert again.returncode == 1
    assert "DIVERGED" in again.stdout


def test_a_class_inside_a_function_is_diagnosed_and_reproduced_by_its_test(run: Run) -> None:
    source = "def test_mine(parity):\n    class Local(Wrong): pass\n    parity.assert_parity(Local, 'rmsprop/plain')\n"
    lines = run(source).stdout
    lines.fnmatch_lines(
        ["*likeliest explanation: epsilon is added after the root*", "*reproduce: pytest test_mine.py::test_mine"]
    )


def test_a_name_runs_in_a_process_of_its_own(run: Run) -> None:
    result = run("def test_mine(parity):\n    parity.assert_parity('optimizers.py:Wrong', 'rmsprop/plain')\n")
    result.stdout.fnmatch_lines(["*subject optimizers.py:Wrong*", "*likeliest explanation: epsilon is added*"])


def test_the_function_needs_no_plugin(run: Run) -> None:
    source = "import parity\ndef test_mine():\n    parity.assert_parity({}, 'rmsprop/plain')\n"
    arguments = "-p", "no:parity", "-p", "no:parity.testing.plugin"
    run(source.format("Right"), *arguments).assert_outcomes(passed=1)
    result = run(source.format("Wrong"), *arguments)
    result.stdout.fnmatch_lines(["*NotInParity: case rmsprop/plain*", "*reproduce: parity run *"])


REFUSED = {
    "Right, ['rmsprop/clipnorm', 'rmsprop/centered']": "*no comparison is not a pass*",
    "Right, 'rmsprop/*', allow_unsupported=['momentum']": "*allow_unsupported does not allow this*",
    "Right, 'rmsprop/plain', exact=True": "*exact demands IDENTICAL*",
    "Right(), 'rmsprop/plain'": "*Give the class itself*",
    "Right, 'rmsprop/plane'": "*Did you mean 'rmsprop/plain'?*",
    "Right, 'rmsprop/plain', dtypes=['float23']": "*Did you mean 'float32'?*",
    "Right, 'rmsprop/plain', comparisons='free', gradients='shared'": "*no cell of 'rmsprop/plain' has *",
    "Right, 'rmsprop/plain', allow_unsupported=['momentun']": "*allow_unsupported: received 'momentun'*",
    "'torhc', 'rmsprop/plain'": "*Did you mean 'torch'?*",
}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory, plugins: tuple[str, ...]) -> dict[str, str]:
    """Return what pytest prints of a test with each of these arguments, all of them in one file."""
    folder = tmp_path_factory.mktemp("refusals")
    (folder / "optimizers.py").write_text(OPTIMIZERS, encoding="utf-8")
    tests = [f"def test_{n}(parity):\n    parity.assert_parity({given})\n" for n, given in enumerate(REFUSED)]
    (folder / "test_mine.py").write_text("\n\n".join(["from optimizers import Right", *tests]), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", *plugins, "-rN"]
    out = subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout
    assert f"{len(REFUSED)} failed" in out
    _, *sections = re.split(r"^_+ test_\d+ _+$", out, flags=re.MULTILINE)
    return dict(zip(REFUSED, sections, strict=True))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("arguments", REFUSED)
def test_a_test_that_cannot_pass_says_why_without_a_traceback_through_the_project(
    arguments: str, refusals: dict[str, str]
) -> None:
    pytest.LineMatcher(refusals[arguments].splitlines()).fnmatch_lines([REFUSED[arguments]])
    assert "/parity/" not in refusals[arguments]


def test_marked_cases_are_tests_of_their_own(run: Run) -> None:
    source = (
        "@pytest.mark.parity_cases('rmsprop/plain', 'rmsprop/clipvalue')\n"
        "def test_each(parity, parity_case):\n    parity.assert_parity(Right, parity_case)\n"
    )
    result = run(source, "-rs", "-v")
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(
        ["*test_each?rmsprop/plain?float32?? PASSED*", "SKIPPED*test_mine.py*no argument 'clipvalue'*"]
    )


def test_a_marker_with_a_mistake_is_a_collection_error_with_one_message(run: Run) -> None:
    result = run("@pytest.mark.parity_cases('rmsprop/plane')\ndef test_each(parity_case): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["parity_cases: no case matches 'rmsprop/plane'*"])


def test_a_marker_without_the_argument_would_run_nothing_and_is_refused(run: Run) -> None:
    result = run("@pytest.mark.parity_cases('rmsprop/plain')\ndef test_each(parity): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["parity_cases: the test takes no argument parity_case*"])


def test_the_junit_record_holds_verdict_and_ratio(failure: tuple[Path, str]) -> None:
    text = (failure[0] / "junit.xml").read_text(encoding="utf-8")
    for name, value in {"verdict": "DIVERGED", "subject": "optimizers.py:Wrong", "ratio": ".*e.*"}.items():
        assert re.search(f'<property name="parity.{name}" value="{value}"', text), name


def test_a_project_that_does_not_use_it_pays_nothing(run: Run) -> None:
    source = (
        "import sys\n\ndef test_nothing_was_imported():\n"
        "    rooms = {name for name in sys.modules if name.startswith('parity.')}\n"
        "    assert rooms <= {'parity.testing', 'parity.testing.plugin'}\n"
    )
    pytest_only = run("", "--collect-only")
    assert pytest_only.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    run(source, "test_mine.py").assert_outcomes(passed=1)


def test_a_pass_over_a_momentum_says_that_it_saw_no_changing_rate(run: Run) -> None:
    source = """
class Momentum:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, momentum=0.0):
        self.right, self.momentum = Right(1.0, rho, epsilon), momentum
        self.learning_rate, self.state, self.buffer = learning_rate, None, {}

    def update(self, params, grads):
        self.state = self.state or self.right.init(params)
        made, self.state = self.right.step({name: 0 * w for name, w in params.items()}, grads, self.state)
        for name in grads:
            b = self.buffer[name] = self.momentum * self.buffer.get(name, 0) - made[name]
            params[name] -= self.learning_rate * b

def test_it(parity):
    parity.assert_parity(Momentum, cases="rmsprop/momentum[float32,momentum=0.5]")
"""
    run(source).stdout.fnmatch_lines(
        ["*parity: passed, and says nothing of*", "*::test_it: not seen: a changing rate*those of schedule/* do."]
    )
