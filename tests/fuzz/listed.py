"""The known divergences that are of a relation, each asked of its own case."""

from parity.case.cells import select
from parity.fuzz.findings import signatures
from parity.fuzz.judging import judge_cell

LISTED = [signature for signature in signatures() if signature.relation]


def shown(subject):
    """Return by case whether a subject shows the divergence as it is listed."""
    return {
        entry.case: entry.explains(
            subject, entry.relation, judge_cell(select([entry.case])[0], entry.relation, subject)
        )
        for entry in LISTED
    }
