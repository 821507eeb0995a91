"""A run in, the data behind the page out: what page.js needs to open any pair, with repeated texts stored once."""

from typing import Any

from parity.case.rule import Rule, stages
from parity.report.catch import sentence, share, weakest
from parity.report.curves import curves
from parity.report.facts import LOOKS, Facts, command, difference, factor, name, outcome
from parity.report.numbers import clean, exact, many, plain, real, short, times
from parity.verdicts.cause import of_case
from parity.verdicts.results import BranchFlip, Comparison, Divergence, Pair, Worst
from parity.verdicts.verdict import Verdict

MAX_OUTPUT = 2_000
MAX_FLIPS = 20


class Texts:
    """Each distinct text once; the page refers to it by number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, text: object) -> int:
        """Return the number of a text."""
        return self.numbers.setdefault(clean(text), len(self.numbers))


def data(facts: Facts, points: int) -> Any:
    """Return the page's data, of what strict JSON can hold; curves have at most ``points`` values each."""
    texts = Texts()
    document = {
        "verdicts": {v.name: {"symbol": LOOKS[v].symbol, "word": LOOKS[v].word, "sentence": v.value} for v in Verdict},
        "formulas": {rule.name: _formulas(rule) for rule in map(facts.rule, facts.cases)},
        "cases": [_case(facts, case) for case in facts.cases],
        "subjects": [clean(subject) for subject in facts.subjects],
        "pairs": [_pair(facts, pair, texts, points) for pair in facts.pairs],
        "texts": list(texts.numbers),
        "curves": bool(points),
    }
    return plain(document)


def chain(cell: dict[str, Any], rule: Rule, stage: str = "") -> list[tuple[str, str]]:
    """Return the stages, with formulas, that an update of this case passes through, and ``stage`` in any case."""
    given = {**(cell.get("hyperparameters") or {}), "loss": cell.get("gradients") == "computed"}
    found = []
    for key in stages(rule):
        forms = rule.formulas.get(key, {})
        fitting = [formula for argument, formula in forms.items() if not argument or given.get(argument)]
        if fitting or (forms and key == stage):
            found.append((key, (fitting or list(forms.values()))[-1]))
    return found


def hides_state(item: Comparison) -> bool:
    """Return whether nothing but the parameters was compared: what a stage before them did was not seen."""
    compared = {*item.catch, *map(str, (item.table or {}).get("slot", ()))}
    return compared == {"parameter"}


def _formulas(rule: Rule) -> dict[str, tuple[str, str]]:
    """Return the name and the plain formula of each stage."""
    return {key: (name(key), next(iter(rule.formulas[key].values()))) for key in stages(rule) if key in rule.formulas}


def _case(facts: Facts, case: str) -> dict[str, Any]:
    cell = facts.cells.get(case, {})
    return {
        "id": clean(case),
        "setting": setting(cell),
        "hyper": [[key, shown(value)] for key, value in (cell.get("hyperparameters") or {}).items()],
        "probes": [name(probe) for probe in cell.get("probes", [])],
        "rule": facts.rule(case).name,
        "chain": chain(cell, facts.rule(case)),
    }


def setting(cell: dict[str, Any]) -> str:
    """Return a case's circumstances in a line: dtype, steps, gradients and problem."""
    problem = cell.get("problem") or {}
    parts = [clean(cell.get("dtype", "")), many(cell["steps"], "step") if "steps" in cell else ""]
    if problem.get("kind") == "mlp":
        layers = "-".join(map(str, problem.get("layers") or [784, 512, 10]))
        parts.append(f"{layers} perceptron on MNIST, batches of {problem.get('batch_size', 1)}")
    elif problem:
        parts.append(name(problem.get("generator") or problem.get("kind", "")))
    if cell.get("gradients"):
        parts.append(f"{clean(cell['gradients'])} gradients")
    return " · ".join(part for part in parts if part)


def shown(value: Any) -> str:
    """Return a hyperparameter or circumstance as a person writes it."""
    if isinstance(value, dict):
        return ", ".join(f"{clean(key)} {shown(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:.12g}" if isinstance(value, float) else clean(value)


def _pair(facts: Facts, pair: Pair, texts: Texts, points: int) -> dict[str, Any]:
    dtype = facts.dtype(pair.case)
    record: dict[str, Any] = {
        "case": facts.cases.index(pair.case),
        "subject": facts.subjects.index(pair.subject),
        "verdict": outcome(pair).name,
        "summary": texts(pair.summary),
        "resolved": texts(pair.resolved),
        "command": command(pair.selector, pair.subject),
        "seconds": round(pair.seconds, 2),
        "around": [[texts(key), texts(shown(value))] for key, value in pair.circumstances.items()],
        "comparisons": [_comparison(item, dtype, texts, points) for item in pair.comparisons],
    }
    cause = facts.run.causes.get(pair.subject)
    if cause is not None and outcome(pair).fails:
        record["why"] = texts(of_case(cause, pair.case))
    if pair.output.strip():
        record["output"] = texts(pair.output.strip()[:MAX_OUTPUT])
    return record


def _comparison(item: Comparison, dtype: str, texts: Texts, points: int) -> dict[str, Any]:
    record: dict[str, Any] = {
        "verdict": item.verdict,
        "gradients": item.gradients,
        "mode": item.comparison,
        "reason": texts(item.reason),
        "compared": item.compared,
        "differing": item.differing,
    }
    optional = {
        "notes": [texts(note) for note in item.notes],
        "first": item.first_divergence and _divergence(item, item.first_divergence, dtype, texts),
        "worst": item.worst and item.verdict != "IDENTICAL" and _worst(item.worst, dtype),
        "flips": [
            [flip.step, flip.layer, flip.unit, flip.example, *_sides(flip, dtype), short(flip.bound)]
            for flip in item.flips[:MAX_FLIPS]
        ],
        "catch": _catch(item, texts),
        "curves": curves(item, points),
    }
    return record | {key: value for key, value in optional.items() if value}


def _catch(item: Comparison, texts: Texts) -> dict[str, Any]:
    """Return what the bounds would catch: a sentence, and for each slot its shares in words and as widths of a bar."""
    if not item.caught.sampled:
        return {}
    rows = []
    for slot, catch in item.catch.items():
        parts = [catch.twofold, catch.thousandth, catch.unbounded]
        words = [share(part, catch.telling) if catch.telling else "" for part in parts]
        widths = [round(100 * part / catch.telling, 1) if catch.telling else 0 for part in parts]
        rows.append([texts(name(slot)), *map(texts, words), *widths])
    return {"sentence": texts(sentence(item.caught)), "weak": weakest(item.catch) is not None, "slots": rows}


def _divergence(item: Comparison, place: Divergence, dtype: str, texts: Texts) -> dict[str, Any]:
    return {
        **({"hidden": True} if hides_state(item) else {}),
        "step": place.step,
        "slot": name(place.slot),
        "tensor": clean(place.tensor),
        "index": place.index,
        "stage": clean(place.stage),
        "obtained": exact(place.obtained, dtype),
        "expected": exact(place.expected, dtype),
        "difference": difference(place),
        "bound": short(place.bound),
        "factor": times(factor(place)),
        "exact": f"{place.exact:.12g}" if isinstance(place.exact, float) else exact(place.exact),
        "note": texts(place.note),
    }


def _sides(place: BranchFlip, dtype: str) -> tuple[str, str]:
    return exact(place.obtained, dtype), exact(place.expected, dtype)


def _worst(place: Worst, dtype: str) -> dict[str, Any]:
    return {
        "step": place.step,
        "slot": name(place.slot),
        "tensor": clean(place.tensor),
        "index": place.index,
        "obtained": exact(place.obtained, dtype),
        "expected": exact(place.expected, dtype),
        "difference": short(place.difference),
        "bound": short(place.bound),
        "ratio": times(place.ratio),
        "ulp": times(place.ulp),
        "steps": times(place.in_steps) if place.in_steps is not None and real(place.in_steps) else "",
    }
