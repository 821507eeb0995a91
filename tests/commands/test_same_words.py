"""A cause has the same words wherever it is said: diagnose, run, report, check, pytest."""

import json
import re
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
import wrong

from parity.api import run_all
from parity.baseline import gate, telling
from parity.baseline.page import render as check_page
from parity.case.cells import select
from parity.case.rule import names
from parity.commands.cli import main
from parity.commands.why import explained
from parity.diagnosis.arguments import BITS
from parity.diagnosis.cause import NO_FUNCTION, cause_of
from parity.diagnosis.child import diagnose_apart
from parity.diagnosis.choices import only_rounds
from parity.diagnosis.findings import Diagnosis, Explanation, Finding
from parity.diagnosis.member import Member
from parity.diagnosis.text import render
from parity.diagnosis.words import causes
from parity.report import formats
from parity.report.cards import cards
from parity.report.facts import Facts, headline
from parity.testing.cause import Sought
from parity.testing.cause import lines as lines_of_pytest
from parity.verdicts import cause
from parity.verdicts.results import Comparison, Pair, Run

HERE = Path(wrong.__file__).parent
CASES = ["rmsprop/plain[float32]", "rmsprop/defaults", "rmsprop/epsilon[epsilon=0.001]", "rmsprop/momentum"]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)


@cache
def ran(kind):
    cells = select(CASES)
    return explained(run_all(cells, [f"wrong.py:{kind.__name__}"], jobs=1), cells)


def flat(text):
    return " ".join(text.replace("\\", "").split()).lower()


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "kind", [wrong.Outside, wrong.Clips, wrong.OutsideOnesPrevious], ids=lambda kind: kind.__name__
)
def test_a_cause_has_the_same_words_in_every_output(kind, tmp_path):
    run = ran(kind)
    ((subject, found),) = run.causes.items()
    told = flat(found.sentence.rstrip("."))
    document = diagnose_apart(subject, 60, select(CASES))
    files = {name: module.render(run) for name, module in formats().items() if name != "steps.parquet"}
    checked = gate.settle(run, tmp_path / "baseline", whole=False, everyone=False)
    texts = {
        "diagnose": render(document),
        "pytest": "\n".join(lines_of_pytest(document, Sought(found.explained[0]))),
        "run": "\n".join(cause.lines(found)),
        "headline": headline(Facts(run)),
        "check": "\n".join(telling.why(checked)),
        "check.md": check_page(checked, ""),
        "check.json": json.dumps(telling.document(checked, run, strict=False), ensure_ascii=False),
        **{name: text if isinstance(text, str) else text.decode() for name, text in files.items()},
    }
    assert {name: told in flat(text) for name, text in texts.items()} == dict.fromkeys(texts, True)


def told_of(found):
    """Return what is said of a diagnosis, by where it is said, and the sentence that each of them has to hold."""
    document = found.document()
    known = cause_of(document, ["a"])
    parts = Comparison("a", found.subject, "replayed", "lockstep", "DIVERGED", "")
    run = Run([Pair("a", "", found.subject, "", [parts])], {}, "", 0.0, causes={found.subject: known})
    texts = {"pytest": "\n".join(lines_of_pytest(document, Sought("a"))), "headline": headline(Facts(run))}
    if not found.explanations:  # what it tells of them takes two thousand steps each
        texts["diagnose"] = render(document)
    return flat(known.sentence.rstrip(".")), texts


EVERY_CHOICE = [(rule, choice) for rule in names() for choice in causes(rule) if not only_rounds(*choice, rule)]
NUMBERS = [
    ("centered", True),
    ("momentum", 0.9),
    ("clipvalue", 5.0),
    ("clipnorm", 5.0),
    ("clipvalue_factor", 0.1),
    ("rate_decay", 1e-4),
    ("rate_decay_kept", 1e-4),
    ("rate_kept", 0.99),
    ("weight_limit", 0.01),
    ("column_limit", 1.0),
    ("state_of", "shape"),
    ("second_moment_start", 1e-8),
    ("learning_rate_factor", 10.0),
    ("epsilon_if_zero", 1e-8),
    ("epsilon", 1e-8),
]


def test_every_choice_and_number_has_the_same_words_in_every_output():
    members = [Member((choice,), rule=rule) for rule, choice in EVERY_CHOICE]
    for member in [*members, *(Member().having(**dict([number])) for number in NUMBERS)]:
        one = Explanation(member, ("plain",), 0.0, 0.0, True)
        told, texts = told_of(
            Diagnosis("mine.py:Mine", Finding.EXPLAINED, (one,), modes=("plain",), cases={"a": BITS}, rule=member.rule)
        )
        assert [name for name, text in texts.items() if told not in flat(text)] == [], member


@pytest.mark.parametrize("finding", [*NO_FUNCTION, Finding.OUTSIDE])
def test_what_is_a_cause_itself_has_the_same_words_in_every_output(finding):
    told, texts = told_of(Diagnosis("mine.py:Mine", finding, evidence=("something",)))
    assert [name for name, text in texts.items() if told not in flat(text)] == []


def line_of(function) -> int:
    """Return the line of its file that a function begins in."""
    return int(function.__code__.co_firstlineno)


def test_a_cause_is_told_with_its_lines_its_proof_and_what_it_explains():
    run = ran(wrong.Outside)
    (found,) = run.causes.values()
    assert [(line.obtained, line.expected) for line in found.formula] == [
        ("u = L·g / (√v + epsilon)", "u = L·g / √(v + epsilon)")
    ]
    assert found.confirmed.startswith("Confirmed on probes that the search did not use")
    assert set(found.explained) == {"rmsprop/plain[float32]", "rmsprop/defaults", "rmsprop/epsilon[epsilon=0.001]"}
    assert found.otherwise == found.unchecked == []
    assert headline(Facts(run)) == (
        "In wrong.py:Outside epsilon is added after the root instead of under it: it diverges in 3 of "
        f"{len(run.pairs)} cases."
    )


def test_the_cause_of_a_run_is_in_its_json_and_its_fixed_keys_stay():
    run = ran(wrong.Outside)
    document = json.loads(formats()["results.json"].render(run))
    known = document["causes"]["wrong.py:Outside"]
    assert known["known"] is True
    assert known["formula"][0] == {
        "obtained": "u = L·g / (√v + epsilon)",
        "expected": "u = L·g / √(v + epsilon)",
        "at": f"wrong.py:{line_of(wrong.Outside.denominator) + 1}",
    }
    assert {"schema", "results", "circumstances", "pairs", "started", "seconds"} < set(document)


def test_junit_tells_a_cause_once_a_subject_and_a_sentence_a_test():
    run = ran(wrong.Outside)
    root = ElementTree.fromstring(formats()["junit.xml"].render(run))
    (said,) = root.iter("system-out")
    assert "it has    u = L·g / (√v + epsilon)" in (said.text or "")
    failures = [failure.text or "" for failure in root.iter("failure")]
    assert failures
    assert all(text.endswith("why: Epsilon is added after the root instead of under it.") for text in failures)


def document(verdict="EXPLAINED", cases=None, **more):
    """A diagnosis whose first explanation is epsilon outside of the root."""
    one = {
        "switches": {"epsilon_place": "outside", "moment_form": "chained"},
        "hyperparameters": {},
        "numbers": {},
        "residual": 0.0,
        "bound_ratio": 0.0,
        "confirmed": True,
        "modes": ["plain"],
    }
    return {"subject": "x", "verdict": verdict, "explanations": [one], "evidence": [], "cases": cases or {}, **more}


def test_cases_that_a_cause_explains_are_told_from_those_that_it_does_not():
    outcomes = {"a": "every bit", "b": "otherwise", "not asked": "otherwise"}
    evidence = ["no set of choices reproduces it in b, not asked", "no set of choices reproduces it with clipvalue = 1"]
    found = cause_of(document(cases=outcomes, evidence=evidence), ["a", "b", "c"])
    assert (found.explained, found.otherwise, found.unchecked) == (["a"], ["b"], ["c"])
    assert cause.reach(found) == [
        "It reproduces 1 of 3 cases that diverge.",
        "It does not explain b.",
        "Not checked on c.",
    ]
    assert found.beside == [
        "No set of choices reproduces it with clipvalue = 1.",
        "No set of choices reproduces it in not asked.",
    ]
    assert cause.of_case(found, "a") == found.sentence
    assert cause.of_case(found, "b").endswith("; that does not explain this case.")


def test_what_only_rounds_is_no_cause_beside_what_does_more():
    found = cause_of(document(), ["a"])
    assert found.sentence == "Epsilon is added after the root instead of under it."
    assert len(found.formula) == 1


def test_numbers_that_keras_rounds_are_the_cause_where_the_rule_is_right():
    only = [{**document()["explanations"][0], "switches": {"moment_form": "chained"}}]
    said = document("ROUNDING", cases={"a": "with Python's numbers"}) | {"explanations": only}
    found = cause_of(said, ["a", "b"])
    assert found.sentence.startswith("It keeps numbers as Python does, where tf.keras rounds")
    assert (found.known, found.explained, found.unchecked) == (True, ["a"], ["b"])
    assert not cause_of({**said, "cases": {}}, ["a"]).known


def test_other_modes_and_rivals_are_told_beside_a_cause():
    said = document()
    other = {**said["explanations"][0], "switches": {"rho_role": "new"}}
    said["explanations"] += [other, {**other, "modes": ["momentum"]}]
    found = cause_of(said, ["a"])
    assert found.beside == [
        "Or, just as well: Rho weighs the new gradient instead of the old moment.",
        "In momentum: Rho weighs the new gradient instead of the old moment.",
    ]


def test_what_is_not_known_is_said_and_accuses_nobody():
    found = cause_of(document("UNEXPLAINED", evidence=["something"]), ["a"])
    assert not found.known
    assert found.sentence.startswith("The cause is not known: diagnosed, it computes, in some of what was tried, as no")
    also = "  In all else that was tried it computes as tf.keras does, but: Epsilon is added after the root"
    assert cause.lines(found)[1:] == ["  Something.", f"{also} instead of under it."]


def test_what_computes_as_keras_elsewhere_is_not_said_to_be_no_member_and_its_numbers_are_named():
    said = document("UNEXPLAINED", cases={"a": "otherwise", "b": "with Python's numbers"})
    assert cause_of(said, ["a", "b"]).beside[1].startswith("In b it keeps numbers as Python does")
    said["explanations"][0]["confirmed"] = False
    assert "it is no member of the family" in cause_of(said, ["a"]).sentence
    assert cause_of(said, ["a", "b"]).beside == []


README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def block(start):
    (found,) = (text for text in re.findall(r"^```[a-z]*\n(.*?)^```$", README, re.M | re.S) if text.startswith(start))
    return found


def test_the_readme_shows_what_a_run_says(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text(block("# mine.py\n"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["run", "rmsprop/plain[float32]", "--subject", "mine.py:RMSprop", "--jobs", "1"]) == 1
    out = capsys.readouterr().out
    assert block("In mine.py:RMSprop epsilon is added") in out
    assert block("mine.py:RMSprop: driven as") in out


def test_the_page_begins_with_the_cause_and_the_line_to_change():
    run = ran(wrong.Outside)
    page = formats()["index.html"].render(run)
    opening = page[page.index("<h1") : page.index('<div class="bar"')]
    words = ["In wrong.py:Outside epsilon is added after", "it diverges in 3 of", "(√v + epsilon)", "√(v + epsilon)"]
    places = [opening.index(word) for word in words]
    assert places == sorted(places)
    assert page.count('<small class="told">explained</small>') == 3


def test_the_page_tells_cases_that_are_explained_from_others():
    run = ran(wrong.Outside)
    ((subject, found),) = run.causes.items()
    one, two, three = found.explained
    parted = msgspec.structs.replace(found, explained=[one], otherwise=[two], unchecked=[three])
    run = msgspec.structs.replace(run, causes={subject: parted})
    page = formats()["index.html"].render(run)
    assert (
        page.count('<small class="told">explained</small>')
        == page.count('<small class="told">not explained</small>')
        == 1
    )
    assert "that does not explain this case" in page
    assert "1 of which that does not explain." in headline(Facts(run))


def test_stages_of_a_state_that_is_not_shown_are_not_said_to_agree():
    hidden, shown = (cards(Facts(ran(kind))) for kind in (wrong.OutsideHidden, wrong.Outside))
    assert [text.count("<em>not shown</em>") for text in (hidden, shown)] == [1, 0]
    assert [text.count("<em>agrees</em>") for text in (hidden, shown)] == [1, 2]
