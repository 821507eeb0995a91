"""What a diagnosis says: to people, to programs, and on the command line."""

import json
import re
from pathlib import Path

import planted
import pytest

from parity.commands.cli import main
from parity.diagnosis.disputes import disputes
from parity.diagnosis.effect import effect
from parity.diagnosis.text import _ties, render
from parity.diagnosis.words import CAUSES, cause, formula

ROOT = Path(__file__).parents[2]
OUTSIDE = "tests/optimizers/epsilon_outside.py:RMSprop"


def test_the_formulas_differ_for_every_choice_that_is_more_than_rounding():
    silent = {"one_minus_rho", "rho_held", "epsilon_held", "momentum_held", "increment_order", "arithmetic"}
    alike = [c for c in CAUSES if c[0] not in silent and formula(dict([c])) == formula({})]
    assert alike == []


def test_ones_init_fades_and_epsilon_does_not():
    assert re.search(r"within 1 % from step 1[89]\d on", effect({"second_moment_start": 1.0}, {}, ["plain"]))
    assert "does not fade" in effect({"epsilon_place": "outside"}, {}, ["plain"])


def test_the_public_record_is_linked():
    assert any("17391" in dispute.link for dispute in disputes({"epsilon_place": "outside"}, {}))


def test_a_number_is_named_with_its_value():
    assert cause({}, {"epsilon": 1e-8}) == "Epsilon is 1e-08 whatever it is given."


def test_the_text_names_the_cause_the_formula_and_the_record():
    text = render(planted.diagnosis_of(planted.box((("epsilon_place", "outside"),))).document())
    assert "Cause: Epsilon is added after the root instead of under it." in text
    assert "u = L·g / (√v + epsilon)" in text
    assert "u = L·g / √(v + epsilon)" in text
    assert "https://github.com/keras-team/keras/issues/17391" in text


def test_an_acquittal_says_how_far_it_looked_and_an_accusation_need_not():
    looked = "Seen over at most 320 steps, in tensors of 0, 1 and 2 dimensions, the largest of 24 elements; what shows"
    assert looked in render(planted.diagnosis_of(planted.box(())).document())
    assert "Seen over" not in render(planted.diagnosis_of(planted.box((("epsilon_place", "outside"),))).document())


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("subject", "status", "verdict"), [(OUTSIDE, 1, "EXPLAINED"), ("tests/optimizers/right.py:RMSprop", 0, "ROUNDING")]
)
def test_the_command_prints_one_document_and_ends_with_the_status(subject, status, verdict, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(["diagnose", subject, "--json"]) == status
    document = json.loads(capsys.readouterr().out)
    assert {"subject", "verdict", "explanations", "ties", "probe"} <= set(document)
    assert document["verdict"] == verdict
    assert {"switches", "hyperparameters", "residual", "confirmed"} <= set(document["explanations"][0])


def test_a_subject_that_hangs_is_stopped(tmp_path, capsys):
    file = tmp_path / "hangs.py"
    file.write_text("import time\nclass Hangs:\n    def update(self, params, grads):\n        time.sleep(60)\n")
    assert main(["diagnose", f"{file}:Hangs", "--time-limit", "1"]) == 1
    assert "did not finish within 1 s" in capsys.readouterr().out


def test_a_subject_that_does_not_exist_is_a_mistake_in_the_call(capsys):
    assert main(["diagnose", "torhc"]) == 2
    assert "Did you mean 'torch'?" in capsys.readouterr().err


def test_what_shows_nothing_beside_an_answer_is_no_set_of_its_own():
    def found(**switches):
        return {"switches": switches, "hyperparameters": {}}

    answer = found(moment_carry="whole")
    ties = [found(moment_carry="whole", rho_role="new"), found(moment_carry="whole", moment_form="lerp")]
    ties += [found(moment_carry="whole", moment_form="lerp", rho_role="new"), found(epsilon_place="none")]
    document = {"verdict": "EXPLAINED", "ties": ties, "explanations": [answer], "probe": None}
    assert _ties(document) == [
        "  1 more set fits as well, of the same choices beside others that only round.",
        "  Beside that may be, and shows in nothing that was run: rho_role=new.",
        "  1 larger or equal set fit as well:",
        "    epsilon_place=none",
        "  No probe that was run separates them.",
    ]
