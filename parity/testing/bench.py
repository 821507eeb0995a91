"""What the tests of one session share, so that the second one costs less than the first."""

from dataclasses import dataclass, field
from typing import Any

from parity.api import Session


@dataclass(slots=True)
class Bench:
    """What the tests of one session share: worker processes that stay, and the diagnoses made so far.

    ``test`` is what pytest is told to run this test alone; empty outside of pytest.
    """

    session: Session = field(default_factory=Session)
    diagnoses: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)
    test: str = ""

    def close(self) -> None:
        """Stop the processes."""
        self.session.close()
