"""The report for programs: strict JSON; only the keys ``started`` and ``seconds`` differ between two equal runs."""

import json
from typing import Any

from parity.report.facts import Facts, command
from parity.report.numbers import plain
from parity.verdicts.results import Comparison, Pair, Run

FILENAME = "results.json"
SCHEMA = 1


def render(run: Run) -> str:
    """Return the document, one key a line, so that two reports can be compared with ``diff``."""
    return json.dumps(plain(document(run)), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def document(run: Run) -> dict[str, Any]:
    """Return the run as ``parity run --json`` prints it: results, circumstances and pairs, without step tables."""
    facts = Facts(run)
    return {
        "schema": SCHEMA,
        "results": [_result(facts, item) for item in facts.comparisons],
        "circumstances": run.circumstances,
        "pairs": [_pair(pair) for pair in facts.pairs],
        "unseen": dict(sorted(run.unseen.items())),
        "causes": {subject: cause.document() for subject, cause in sorted(run.causes.items())},
        "started": run.started,
        "seconds": run.seconds,
    }


def _result(facts: Facts, item: Comparison) -> dict[str, Any]:
    record = item.document()
    return {"case": record.pop("case"), "rule": facts.rule(item.case).name, **record}


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "case": pair.case,
        "subject": pair.subject,
        "summary": pair.summary,
        "resolved": pair.resolved,
        "circumstances": pair.circumstances,
        "reproduce": command(pair.selector, pair.subject),
        "seconds": pair.seconds,
    }
