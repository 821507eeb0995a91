"""At every width from 40 to 120 columns no number, name or verdict is printed in part, whatever command prints it."""

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parity.case.listing import listing
from parity.circumstances import terminal
from parity.commands import check, doctor, matrix, show
from parity.commands.list import sections
from parity.verdicts.results import Catch, Comparison, Divergence, Pair, Run, Worst
from parity.verdicts.verdict import Verdict

ROOT = Path(__file__).resolve().parents[2]
WIDTHS = range(40, 121)
CASE = "rmsprop/gradient_accumulation_rate_change"
SUBJECT = "src/my_project/optimizers.py:RMSprop[rho=alpha,momentum=beta]"
KEPT = sorted(path.name for path in (ROOT / "tests/net/kept").glob("*.txt"))


def words(text: str) -> list[str]:
    """Return what is printed, word by word, without what a shell's line goes on with."""
    return [word for word in text.split() if word != "\\"]


def comparison(verdict: Verdict, mode: str, number: int) -> Comparison:
    place = worst = None
    if verdict.compared:
        where: dict[str, Any] = {
            "step": number,
            "slot": "second_moment",
            "tensor": "dense_1/kernel",
            "index": [10, 300],
        }
        numbers: dict[str, Any] = {"obtained": 0.2500000371, "expected": 0.5, "bound": 1.25e-7}
        place = Divergence(**where, **numbers, stage="second_moment") if verdict.fails else None
        worst = Worst(**where, **numbers, difference=0.25, ratio=4.5612e5, ulp=8388608.0)
    return Comparison(
        case=f"{CASE}[float32,schedule={number}]",
        subject=SUBJECT,
        gradients="replayed",
        comparison=mode,
        verdict=verdict.name,
        reason=f"raised ValueError: the weights have {number},000 elements in mine.py, line 4{number}: w -= lr * g / d",
        first_divergence=place,
        worst=worst,
        compared=1_234_567 if verdict.compared else 0,
        differing=98_765 if verdict.compared else 0,
        catch={"second_moment": Catch(400, 399, 1, 331, 12)} if verdict.compared else {},
    )


def a_run(verdicts: list[Verdict]) -> Run:
    items = [comparison(verdict, mode, n) for n, verdict in enumerate(verdicts) for mode in ("lockstep", "free")]
    pairs = [Pair(item.case, "a case", SUBJECT, SUBJECT, [item]) for item in items]
    return Run(pairs, {}, "2026-01-01T00:00:00Z", 1.0)


def shown(run: Run, everything: bool) -> Callable[[int], None]:
    return lambda columns: show.show(run, [], Namespace(verbose=everything, steps=None, every=1, elements=None))


def printed(lines: Callable[[int], Any]) -> Callable[[int], None]:
    return lambda columns: print("\n".join(lines(columns)))


def checked(tmp_path: Path) -> Callable[[int], None]:
    from parity.baseline import gate

    run = a_run([Verdict.DIVERGED, Verdict.ROUNDING, Verdict.FAILED])
    circumstances = {"cpu": "Model A", "cores": 2, "packages": {"numpy": "2.4.6"}}
    run = Run(run.pairs, circumstances, run.started, 1.0)
    outcome = gate.settle(run, tmp_path / "reports" / "baseline", whole=False, everyone=False)
    return lambda columns: check._show(outcome)


def searched() -> Callable[[int], None]:
    from collections import Counter

    from parity.fuzz.findings import Finding, Listed
    from parity.fuzz.search import Search, Wish
    from parity.fuzz.text import render

    wish = Wish([SUBJECT], ["reference"], 1234567, 500, None, 2, Path("out"), None)
    place = {"step": 3, "slot": "second_moment", "tensor": "dense_1/kernel", "index": [10, 300]}
    values = {"obtained": 0.2500000371, "expected": 0.5, "bound": 1.25e-7}
    command = f"parity run 'found/an example.toml' --subject '{SUBJECT}'"
    finding = Finding(
        relation="reference",
        subject=SUBJECT,
        verdict="DIVERGED",
        runs=1234,
        reason="a difference exceeds what rounding can explain: some arithmetic must differ",
        features=["sparse gradients", "momentum 0.9"],
        place=place | values,
        case="found/an_example.toml",
        command=command,
    )
    listed = Listed(
        case="found/sparse_repeated_rows_centered", runs=22, reason="squared row by row", link="https://a.b/c"
    )
    search = Search(wish, lambda search: None, findings=[finding], listed=[listed], seconds=194.0)
    search.counts = Counter({(SUBJECT, "reference", name): 1000 + n for n, name in enumerate(Verdict.__members__)})
    return printed(lambda columns: render(search, columns).split("\n"))


def listed() -> Callable[[int], None]:
    found, _ = listing(["rmsprop/*"])
    return printed(lambda columns: sections(found, True, columns))


def libraries() -> Callable[[int], None]:
    switches = {"epsilon_place": "outside", "second_moment_start": 1.0, "denominator_uses": "previous"}
    rows = [
        {"subject": name, "mode": mode, "verdict": "EXPLAINED", "switches": switches, "rounding": {"division": "rsqrt"}}
        for name in ("tf_keras-legacy", SUBJECT)
        for mode in ("plain", "centered", "momentum")
    ]
    both = [
        {
            "a": "keras-graph",
            "b": SUBJECT,
            "mode": "centered",
            "outcome": "",
            "switches": {k: (v, 0.25) for k, v in switches.items()},
        }
    ]
    return printed(lambda columns: matrix.render(rows, both, columns))


def examined() -> Callable[[int], None]:
    found = {
        "numpy": {
            "version": "2.4.6",
            "simd": ["AVX512_SKX", "AVX512_ICL", "X86_V4"],
            "blas": None,
            "nested": {"a": 1.5},
        },
        "environment": {},
        "cpu": "AMD EPYC (25/17) fma avx2 avx512f avx512_bf16",
    }
    return printed(lambda columns: doctor.render(found, columns))


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Print for a terminal of some columns, 0 for none, and return what was printed."""

    def run(prints: Callable[[int], None], columns: int) -> str:
        monkeypatch.setattr(terminal, "width", lambda: columns)
        prints(columns)
        return capsys.readouterr().out

    return run


PRINTERS: dict[str, Callable[[Path], Callable[[int], None]]] = {
    "run": lambda folder: shown(a_run([*Verdict][:6]), everything=False),
    "run --verbose": lambda folder: shown(a_run([*Verdict][::2]), everything=True),
    "run of many": lambda folder: shown(a_run([*Verdict, *Verdict]), everything=False),
    "list": lambda folder: listed(),
    "check": checked,
    "fuzz": lambda folder: searched(),
    "matrix": lambda folder: libraries(),
    "doctor": lambda folder: examined(),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("command", PRINTERS)
def test_no_word_of_a_command_is_printed_in_part(
    command: str, at: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prints = PRINTERS[command](tmp_path)
    whole = words(at(prints, 0))
    for columns in WIDTHS:
        narrow = at(prints, columns)
        found = words(narrow)
        assert {*found} <= {*whole}, f"{columns} columns: {sorted({*found} - {*whole})}"
        told = [word for word in whole if any(map(str.isdigit, word)) or word in Verdict.__members__]
        assert not {*told} - {*found}, f"{columns} columns: {sorted({*told} - {*found})} are missing"
        long = [line for line in narrow.splitlines() if len(line) > columns and len(words(line)) > 2]
        assert not long, f"{columns} columns: {long}"


def lines_of(name: str) -> list[str]:
    text = (ROOT / "tests/net/kept" / name).read_text(encoding="utf-8")
    return [line for line in dict.fromkeys(text.splitlines()) if len(line) > WIDTHS[0]]


def broken(lines: list[str]) -> Iterator[str]:
    """Yield what a terminal of some width would print otherwise than as the same words in the same order."""
    for columns in WIDTHS:
        for line in lines:
            parts = list(terminal.fitted([line], columns))
            if words("\n".join(parts)) != words(line):
                yield f"{columns} columns: {line!r} became {parts}"


@pytest.mark.parametrize("name", KEPT)
def test_what_commands_say_keeps_every_word_on_any_terminal(name: str) -> None:
    lines = lines_of(name)
    assert not list(broken(lines[:: max(1, len(lines) // 40)]))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", KEPT)
def test_all_that_commands_say_keeps_every_word_on_any_terminal(name: str) -> None:
    assert not list(broken(lines_of(name)))


def test_a_log_that_is_judged_keeps_every_word(tmp_path: Path) -> None:
    from ends import write_log

    from parity.case.rule import find
    from parity.commands.judged import render
    from parity.judge.logged import judge
    from parity.trajectory.log.reading import read_log
    from parity.trajectory.log.settle import settle

    write_log(tmp_path / "wrong.npz", 0.25)
    log = read_log(tmp_path / "wrong.npz", "")
    settled = settle(find(log.rule), {}, log)
    text = render(judge(log, find(log.rule), settled.given), settled, None)
    assert "DIVERGED" in text
    assert not list(broken(text.split("\n")))


def test_a_command_that_is_broken_is_the_same_command_to_a_shell() -> None:
    import shlex

    line = f"reproduce: parity run 'a folder/{CASE}.toml' --subject '{SUBJECT}' --steps 12"
    for columns in WIDTHS:
        parts = list(terminal.fitted([line], columns))
        assert shlex.split("\n".join(parts).replace("\\\n", "")) == shlex.split(line)
        assert all(part.endswith(" \\") for part in parts[:-1])


def test_a_pipe_has_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", open("/dev/null", "w"))  # noqa: SIM115
    monkeypatch.setenv("COLUMNS", "40")
    assert terminal.width() == 0
    sys.stdout.close()
