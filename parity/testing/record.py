"""What a test leaves in pytest's records: properties for JUnit XML, and a line about what was not compared."""

import math
import re
from collections.abc import Sequence

from parity.report.numbers import clean
from parity.testing.failure import counted
from parity.verdicts.results import Comparison
from parity.verdicts.verdict import Verdict

Properties = list[tuple[str, str]]

PREFIX = "parity."


def properties(comparisons: Sequence[Comparison], unseen: Sequence[str] = ()) -> Properties:
    """Return the verdict, the largest difference in units of its bound, the counts, what was not compared or seen."""
    worst = max((item.outcome for item in comparisons), key=lambda verdict: verdict.severity)
    ratios = [item.worst.ratio for item in comparisons if item.worst is not None]
    finite = [ratio for ratio in ratios if isinstance(ratio, float) and math.isfinite(ratio)]
    found = [
        ("subject", clean(comparisons[0].subject)),
        ("verdict", worst.name),
        ("comparisons", counted(comparisons)),
        ("compared_values", str(sum(item.compared for item in comparisons))),
        ("ratio", f"{max(finite):.3g}" if finite else ""),
        ("not_compared", ", ".join(lacking(comparisons))),
        ("not_seen", " ".join(unseen)),
    ]
    return [(PREFIX + key, value) for key, value in found if value]


def lacking(comparisons: Sequence[Comparison]) -> list[str]:
    """Return, each once, what kept comparisons from being made: the arguments that a class lacks, or other reasons."""
    absent = [item for item in comparisons if item.outcome in (Verdict.UNSUPPORTED, Verdict.NOT_INSTALLED)]
    return list(dict.fromkeys(_lack(clean(item.reason)) for item in absent))


def _lack(reason: str) -> str:
    argument = re.search(r"no argument '(\w+)'", reason)
    return argument[1] if argument else reason.rstrip(".")
