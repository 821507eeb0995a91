"""The whole search: a planted fault is found, shrunk, written as a case and repeated; a right optimizer survives."""

import json
import os
import shlex
import signal
import tempfile
import tomllib
from pathlib import Path

import msgspec
import pytest

from parity.case.cells import select
from parity.commands.cli import main
from parity.fuzz.child import Child
from parity.fuzz.features import features
from parity.fuzz.findings import Failures, Finding, Signature, merged
from parity.fuzz.plan import Round, rounds
from parity.fuzz.words import Outcome
from parity.problem.problems import make
from parity.verdicts.verdict import Verdict

PLANTED = Path(__file__).with_name("faulty.py")
RUNS = pytest.mark.parametrize("runs", [50, pytest.param(150, marks=pytest.mark.exhaustive)])
"""Of a search that is to find nothing."""


def searched(capsys, *arguments):
    """The exit status of a search and its document."""
    status = main(["fuzz", "--json", "--seed", "1", "--jobs", "1", *map(str, arguments)])
    return status, json.loads(capsys.readouterr().out)


def test_a_fault_is_found_shrunk_written_and_repeated_by_parity_run(capsys, tmp_path):
    subject = f"{PLANTED}:LosesLargeGradients"
    asked = ["--runs", 30, "--relation", "reference", "--subject", subject, "--output", tmp_path]
    status, document = searched(capsys, *asked)
    assert (status, document["runs"]) == (1, 30)
    found = [item for item in document["findings"] if item["verdict"] == "DIVERGED"]
    assert found[0]["features"] == []
    # How small the tensor gets depends on what Hypothesis finds in the modules beside it; what is left out does not.
    case = tomllib.loads(Path(found[0]["case"]).read_text())
    assert (case["steps"], list(case["problem"]["tensors"])) == (1, ["w0"])
    assert "hyperparameters" not in case
    command = shlex.split(found[0]["command"])
    assert command[:2] == ["parity", "run"]
    assert main(command[1:]) == 1
    assert main(["run", found[0]["case"], "--subject", "reference"]) == 0


@pytest.mark.exhaustive
def test_a_broken_relation_is_repeated_by_the_command_that_is_printed(capsys, tmp_path):
    subject = f"{PLANTED}:MeanOverElements"
    asked = ["--runs", 12, "--relation", "split", "--subject", subject, "--output", tmp_path]
    status, document = searched(capsys, *asked)
    assert status == 1
    command = shlex.split(document["findings"][0]["command"])
    assert main(command[1:]) == 1
    assert "relation split" in capsys.readouterr().out
    assert main([*command[1:-1], "reference"]) == 0


@pytest.mark.exhaustive
def test_a_subject_that_dies_is_a_finding_and_not_the_end(capsys, tmp_path):
    subject = f"{PLANTED}:DiesOfNaN"
    asked = ["--runs", 40, "--relation", "reference", "--subject", subject, "--output", tmp_path]
    status, document = searched(capsys, *asked)
    assert (status, document["runs"]) == (1, 40)
    assert [item["reason"] for item in document["findings"]] == ["the subject's process ended with signal SIGSEGV"]
    assert "NaN gradient" in document["findings"][0]["features"]


@pytest.mark.exhaustive
@RUNS
def test_a_right_optimizer_survives_every_relation(capsys, tmp_path, runs):
    """In the suite some runs; three times as many are exhaustive."""
    status, document = searched(
        capsys,
        "--runs",
        runs,
        "--relation",
        "reference",
        "--relation",
        "split",
        "--subject",
        f"{PLANTED}:Right",
        "--output",
        tmp_path / "out",
    )
    assert (status, document["findings"], document["runs"]) == (0, [], runs)
    assert not (tmp_path / "out").exists()


def test_a_search_that_compares_nothing_ends_with_three(capsys, tmp_path):
    asked = [
        "--runs",
        5,
        "--relation",
        "accumulate",
        "--subject",
        f"{PLANTED.parents[1]}/optimizers/state_lost.py:RMSprop",
    ]
    assert searched(capsys, *asked, "--output", tmp_path)[0] == 3


@pytest.mark.exhaustive
def test_the_same_seed_finds_the_same(capsys, tmp_path):
    asked = ["--runs", 12, "--relation", "reference", "--subject", f"{PLANTED}:LosesLargeGradients"]
    first = searched(capsys, *asked, "--output", tmp_path)[1]
    second = searched(capsys, *asked, "--output", tmp_path)[1]
    first.pop("seconds"), second.pop("seconds")
    assert first["findings"]
    assert first == second


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--runs", "0"], "received '0'; allowed: a whole number from 1"),
        (["--minutes", "-1"], "received '-1'; allowed: a number of minutes above 0"),
        (["--seed", "x"], "received 'x'; allowed: a whole number from 0 on"),
        (["--relation", "absent"], "invalid choice: 'absent'"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_is_allowed(arguments, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["fuzz", *arguments])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_name_that_is_no_subject_is_a_mistake(capsys):
    assert main(["fuzz", "--subject", "keras-eagre"]) == 2
    assert "Did you mean 'keras-eager'?" in capsys.readouterr().err


def test_without_hypothesis_one_message_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr("parity.commands.fuzz.find_spec", lambda name: None)
    assert main(["fuzz", "--subject", "reference"]) == 2
    assert "pip install 'optimizer-parity[fuzz]'" in capsys.readouterr().err


def test_a_case_whose_gradients_are_not_replayed_has_no_relations(capsys):
    assert main(["fuzz", "--case", "network/quick", "--subject", "reference"]) == 2
    assert "relations need a case that replays them" in capsys.readouterr().err


def test_rounds_add_up_to_the_runs_that_are_asked_for():
    made = list(rounds(["keras-eager", "reference"], ["reference", "sparse"], 0, 333))
    assert sum(item.runs for item in made) == 333
    assert ("sparse", "reference") not in {(item.relation, item.subject) for item in made}


def test_a_small_share_is_saved_up_for_rounds_that_are_worth_their_while():
    made = list(rounds(["keras-eager", "keras-xla"], ["reference", "resume"], 0, 3000))
    resumed = [item.runs for item in made[:-1] if (item.relation, item.subject) == ("resume", "keras-xla")]
    assert set(resumed) == {8}
    assert len(resumed) > 1


def failing(features, verdict="DIVERGED", slot="parameter"):
    return Outcome(verdict, slot=slot, stage=slot, features=list(features), fails=True)


def test_failures_are_kept_in_the_order_of_the_search_whatever_the_order_they_come_in():
    early, late = (Round(n, "reference", "reference", 9, 0) for n in (1, 2))
    failures = Failures()
    failures.add(late, 0, failing(["rho"]))
    failures.add(early, 4, failing(["rho"]))
    failures.add(early, 2, failing(["momentum"]))
    ((first, second),) = failures.groups()
    assert (first.index, second.index, second.runs) == (2, 4, 2)


def test_a_listed_divergence_explains_a_run_that_holds_all_it_needs():
    entry = Signature("found/x", "keras-*", "DIVERGED", frozenset({"rho"}), "reason", "link")
    assert entry.explains("keras-graph", "reference", failing(["momentum", "rho"]))
    assert not entry.explains("keras-graph", "reference", failing(["momentum"]))
    assert not entry.explains("torch", "reference", failing(["rho"]))
    assert not entry.explains("keras-graph", "reference", failing(["rho"], verdict="FAILED"))


def test_a_divergence_of_one_relation_explains_no_other():
    entry = Signature("found/x", "*", "DIVERGED", frozenset({"rho"}), "reason", "link", "accumulate")
    assert entry.explains("keras-graph", "accumulate", failing(["rho"]))
    assert not entry.explains("keras-graph", "split", failing(["rho"]))
    assert entry.explains("keras-graph", "accumulate", failing(["rho"], verdict="NON_FINITE")), "another step overflows"
    assert not entry.explains("keras-graph", "accumulate", failing(["rho"], verdict="FAILED"))


def test_a_number_beyond_float32_is_a_feature_of_its_own():
    problem = make(select(["found/decay_beyond_float32"])[0])
    assert {"weight_decay", "weight_decay beyond float32"} <= features(problem)
    assert "weight_decay beyond float32" not in features(make(select(["rmsprop/weight_decay*"])[0]))


@pytest.mark.parametrize(("dtype", "zero"), [("float32", True), ("float64", False)])
def test_a_number_that_the_weights_hold_as_zero_is_zero(dtype: str, zero: bool) -> None:
    (cell,) = select(["rmsprop/epsilon[epsilon=1e-08]"])
    tiny = msgspec.structs.replace(cell.hyperparameters, epsilon=2.0**-1022)
    found = features(make(msgspec.structs.replace(cell, hyperparameters=tiny, dtype=dtype)))
    assert ("epsilon 0" in found, "epsilon" in found) == (zero, not zero)


def test_the_order_of_rows_is_a_feature_where_it_decides_alone():
    shown = {
        name: features(make(select([f"found/{name}"])[0]))
        for name in ("sparse_rows_out_of_order", "sparse_loss_scale", "sparse_repeated_rows_zero")
    }
    assert [name for name, found in shown.items() if "rows out of order" in found] == ["sparse_rows_out_of_order"]


def test_findings_that_need_more_join_the_one_that_needs_less():
    def finding(features, runs):
        place = {"slot": "parameter"}
        return Finding("reference", "x", Verdict.DIVERGED.name, "reason", features, runs, place, case=str(runs))

    (joined,) = merged([finding(["a", "b"], 2), finding(["a"], 3)])
    assert (joined.features, joined.runs) == (["a"], 5)


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
@RUNS
def test_tf_keras_keeps_every_relation_but_for_what_is_listed(capsys, tmp_path, runs):
    """In the suite some runs; three times as many are exhaustive."""
    pytest.importorskip("tensorflow")
    status, document = searched(capsys, "--runs", runs, "--subject", "keras-eager", "--output", tmp_path)
    assert (status, document["findings"]) == (0, [])


def test_a_worker_that_hangs_is_stopped():
    child = Child(60)
    try:
        assert "rho" in child.accepted("reference")
        child._time_limit = 0.2
        os.kill(child._process.pid, signal.SIGSTOP)
        answer = child._ask({"subject": "reference"})
        assert answer == "did not answer within 0.2 s and was stopped"
    finally:
        child.close()


def test_a_killed_worker_leaves_no_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    child = Child(60)
    try:
        assert "rho" in child.accepted("reference")
        assert len(list(tmp_path.iterdir())) == 1
    finally:
        child.close()
    assert list(tmp_path.iterdir()) == []
