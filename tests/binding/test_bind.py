"""What a person binds by hand settles what names leave open, and stands in the subject's name wherever that is kept."""

import json

import numpy as np
import pytest

import parity
from parity.baseline.store import place
from parity.case.cells import select
from parity.commands.cli import main
from parity.errors import ParityError, UsageError
from parity.report.facts import command
from parity.subjects import check_name
from parity.subjects.naming import bound_by_hand, split_bound, with_bound

CASE = "rmsprop/plain[float32]"
SOURCE = """
import numpy as np


class Odd:
    def __init__(self, lr=0.01, forget=0.99, smooth=1e-8):
        self.lr, self.forget, self.smooth, self.v = lr, forget, smooth, {}

    def update(self, params, grads):
        for k, g in grads.items():
            self.v[k] = self.forget * self.v.get(k, 0 * g) + (1 - self.forget) * g * g
            params[k] -= self.lr * g / np.sqrt(self.v[k] + self.smooth)
"""
BOUND = {"epsilon": "smooth", "rho": "forget"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Odd:
    def __init__(self, lr=0.01, forget=0.99, smooth=1e-8):
        self.lr, self.forget, self.smooth, self.v = lr, forget, smooth, {}

    def update(self, params, grads):
        for k, g in grads.items():
            self.v[k] = self.forget * self.v.get(k, 0 * g) + (1 - self.forget) * g * g
            params[k] -= self.lr * g / np.sqrt(self.v[k] + self.smooth)


def test_the_name_holds_what_was_bound_in_one_order_and_gives_it_back() -> None:
    name = with_bound("mine.py:Odd", {"epsilon": "smooth", "rho": "forget"})
    assert (
        name == with_bound("mine.py:Odd[epsilon=smooth]", {"rho": "forget"}) == "mine.py:Odd[rho=forget,epsilon=smooth]"
    )
    assert split_bound(name) == ("mine.py:Odd", {"rho": "forget", "epsilon": "smooth"})
    assert split_bound("golden:folder[1]") == ("golden:folder[1]", {})
    assert with_bound("mine.py:Odd", {}) == "mine.py:Odd"


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (["rho"], "received 'rho'; allowed: KERAS=ITS"),
        (["rho="], "received 'rho='"),
        (["roh=forget"], "Keras has no argument 'roh'. Did you mean 'rho'?"),
        (["forget=rho"], "Did you mean 'rho=forget'?"),
        (["rho=a", "rho=b"], "rho is bound to 'a' and to 'b'"),
        (["rho=a", "momentum=a"], "'a' is given both rho and momentum"),
    ],
)
def test_what_binds_nothing_is_refused(pairs, said) -> None:
    with pytest.raises(UsageError) as caught:
        bound_by_hand(pairs)
    assert said in str(caught.value)


def test_a_run_passes_what_was_bound_and_says_so(folder, capsys) -> None:
    arguments = ["run", CASE, "--subject", "mine.py:Odd", "--bind", "epsilon=smooth", "--bind", "rho=forget"]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert "mine.py:Odd[rho=forget,epsilon=smooth]: driven as" in told
    assert "rho as forget (as bound), epsilon as smooth (as bound)" in told


def test_results_baselines_and_commands_have_the_name_that_holds_it(folder, capsys) -> None:
    name = "mine.py:Odd[rho=forget,epsilon=smooth]"
    arguments = ["--subject", "mine.py:Odd", "--bind", "rho=forget", "--bind", "epsilon=smooth"]
    assert main(["run", CASE, *arguments, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert {item["subject"] for item in results} == {name}
    assert main(["check", CASE, *arguments, "--baseline", "kept"]) == 1  # there is none yet
    assert main(["accept", *arguments, "--baseline", "kept"]) == 0
    assert place(folder / "kept", name).exists()
    assert main(["check", CASE, *arguments, "--baseline", "kept"]) == 0
    assert main(["check", CASE, "--subject", "mine.py:Odd", "--baseline", "kept"]) == 1  # nothing bound is another
    capsys.readouterr()
    assert command(CASE, name).endswith(f"--subject '{name}'")
    assert main(["run", CASE, "--subject", name]) == 0


@pytest.mark.parametrize("what", [["run", CASE, "--subject"], ["diagnose"], ["check", CASE, "--subject"]])
@pytest.mark.parametrize(
    ("bind", "said"),
    [
        (
            "rho=forgot",
            "bind: Odd has no argument 'forgot' to be rho. Did you mean 'forget'? It takes: lr, forget, smooth.",
        ),
        ("roh=forget", "Keras has no argument 'roh'"),
    ],
)
def test_a_name_that_nothing_has_is_a_mistake_in_the_call(folder, capsys, what, bind, said) -> None:
    assert main([*what, "mine.py:Odd", "--bind", bind]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("parity: error:") == 1


def test_a_registered_subject_has_nothing_to_bind(capsys) -> None:
    assert main(["run", CASE, "--subject", "reference", "--bind", "rho=alpha"]) == 2
    assert "--bind is for a class of your own" in capsys.readouterr().err
    with pytest.raises(UsageError, match="nothing can be bound"):
        check_name("reference[rho=alpha]")


def test_python_binds_as_the_command_line_does(folder) -> None:
    (cell,) = select([CASE])
    name = f"{__name__}:Odd[rho=forget,epsilon=smooth]"
    for subject in (Odd, "mine.py:Odd"):
        results = parity.run([cell], subject, bind=BOUND)
        assert results.verdict.name in ("IDENTICAL", "ROUNDING")
        parity.assert_parity(subject, CASE, bind=BOUND)
    assert parity.run([cell], Odd, bind=BOUND).pairs[0].subject == name
    assert parity.run([cell], Odd).verdict.name == "DIVERGED"
    with pytest.raises(ParityError, match="Odd has no argument 'forgot'"):
        parity.run([cell], Odd, bind={"rho": "forgot"})
    with pytest.raises(UsageError, match="allowed: a mapping from Keras' names"):
        parity.run([cell], Odd, bind="rho=forget")


def test_a_diagnosis_keeps_what_was_bound_in_all_that_it_runs() -> None:
    answer = parity.diagnose(Odd, bind=BOUND)
    assert answer.finding.name in ("IDENTICAL", "ROUNDING")
    assert answer["subject"].endswith("Odd[rho=forget,epsilon=smooth]")
    assert (
        answer["binding"]["passed as"] == "learning_rate as lr, rho as forget (as bound), epsilon as smooth (as bound)"
    )
    assert "rho" not in answer["absent"]


def test_a_failure_names_the_class_with_what_was_bound(folder) -> None:
    wrong = SOURCE.replace("np.sqrt(self.v[k] + self.smooth)", "(np.sqrt(self.v[k]) + self.smooth)")
    (folder / "wrong.py").write_text(wrong)
    with pytest.raises(parity.NotInParity) as caught:
        parity.assert_parity("wrong.py:Odd", "rmsprop/epsilon_small_gradient", bind=BOUND)
    text = str(caught.value)
    assert "subject wrong.py:Odd[rho=forget,epsilon=smooth]" in text
    assert "--subject 'wrong.py:Odd[rho=forget,epsilon=smooth]'" in text
    assert "epsilon is added after the root" in text


def test_an_argument_that_was_bound_is_taken_for_nothing_else() -> None:
    class Both:
        def __init__(self, alpha=0.9, beta=0.001, eps=1e-7):
            self.keep, self.rate, self.eps, self.v = alpha, beta, eps, 0

        def update(self, w, g):
            self.v = self.keep * self.v + (1 - self.keep) * g * g
            return w - self.rate * g / np.sqrt(self.v + self.eps)

    (cell,) = select([CASE])
    pair = parity.run([cell], Both, bind={"rho": "alpha", "learning_rate": "beta"}).pairs[0]
    assert pair.verdict.name in ("IDENTICAL", "ROUNDING")


def test_a_search_draws_what_is_bound(folder) -> None:
    from parity.fuzz.judging import accepted

    assert "rho" in accepted("mine.py:Odd[rho=forget]")
    assert "rho" not in accepted("mine.py:Odd")
