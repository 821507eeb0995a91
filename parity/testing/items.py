"""Case files as pytest items: one item for each cell and subject, run in a worker process that stays."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from parity import subjects
from parity.case.cells import load_cells
from parity.errors import ParityError, printable

if TYPE_CHECKING:
    from parity.case.spec import Cell
    from parity.testing.bench import Bench
    from parity.verdicts.results import Pair

KERAS = "keras-eager"
GOLDEN = f"golden:{KERAS}"


def default_subjects() -> list[str]:
    """Return what case files are run against unless asked otherwise: tf.keras, or what it did when it was recorded."""
    return [KERAS if subjects.installed(KERAS) else GOLDEN]


class CaseFile(pytest.File):
    """A TOML file that is a case; a broken one is a collection error with one message."""

    names: list[str]
    bench: "Bench"

    @classmethod
    def of(cls, parent: pytest.Collector, path: Path, names: list[str], bench: "Bench") -> "CaseFile":
        """Return the collector of a file, for these subjects."""
        node: CaseFile = cls.from_parent(parent, path=path)
        node.names, node.bench = names, bench
        return node

    def collect(self) -> Iterator["CaseItem"]:
        """Yield an item for each cell and subject."""
        try:
            cells = load_cells(self.path)
        except ParityError as error:
            raise self.CollectError(str(error)) from None
        for cell in cells:
            # No brackets: pytest would take what is in them for parameters, and lose the item's name between runs.
            label = cell.id.removeprefix(cell.case).strip("[]").replace(",", ", ")
            for subject in self.names:
                spoken = subject.replace("[", " with ").replace("]", "")
                name = f"{spoken} equals the reference{label and ' with ' + label}"
                item: CaseItem = CaseItem.from_parent(self, name=name)
                item.cell, item.subject = cell, subject
                yield item


class CaseItem(pytest.Item):
    """One cell against one subject: fails, skips and expects failure by the verdict."""

    cell: "Cell"
    subject: str
    parent: CaseFile

    def runtest(self) -> None:
        """Run the pair and turn its verdict into pytest's outcome."""
        from parity.testing.record import properties

        bench = self.parent.bench
        pair = bench.session.run(self.cell, self.subject)
        self.user_properties.extend(properties(pair.comparisons))
        self._judge(pair, bench)

    def _judge(self, pair: "Pair", bench: "Bench") -> None:
        from parity.api import Results
        from parity.testing.assertion import Demand, NotInParity
        from parity.testing.failure import Objection, text
        from parity.verdicts.verdict import Verdict

        known = [item for item in pair.comparisons if item.outcome is Verdict.KNOWN_DIVERGENCE]
        failing = [item for item in pair.comparisons if Demand().objection(item, self.cell) is not None]
        if known and not failing:
            if not self.config.getoption("runxfail"):
                pytest.xfail(_reasons(known))
            failing = known
        if failing:
            results = Results([pair])
            objections = [Objection(self.cell, pair, item, "") for item in failing]
            raise NotInParity(text(self.subject, results, objections, bench), results)
        if not any(item.outcome.compared for item in pair.comparisons):
            pytest.skip(_reasons(pair.comparisons))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the message alone for what this project raises; a traceback through it would tell nothing."""
        if isinstance(excinfo.value, ParityError | AssertionError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return the file and what headings say; not the name itself, in which pytest would replace dots."""
        return self.path, None, f"{self.path.stem}: {self.name}"


def _reasons(comparisons: Iterable[Any]) -> str:
    return printable("; ".join(dict.fromkeys(f"{item.verdict}: {item.reason}" for item in comparisons)))
