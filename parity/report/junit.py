"""The report for continuous integration: JUnit XML, one suite a subject and one test a comparison."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from parity.report.facts import Facts, failure_text
from parity.report.numbers import clean
from parity.verdicts import cause
from parity.verdicts.results import Comparison, Pair, Run
from parity.verdicts.verdict import Verdict

FILENAME = "junit.xml"


def render(run: Run) -> bytes:
    """Return the document in the shape that Jenkins, GitLab and GitHub's test reporters read."""
    facts = Facts(run)
    root = Element("testsuites", {"name": "parity"})
    for subject in facts.subjects:
        suite = SubElement(root, "testsuite", {"name": clean(subject)})
        pairs = [pair for pair in facts.pairs if pair.subject == subject]
        for pair in pairs:
            for item in pair.comparisons:
                suite.append(_test(pair, item, facts.dtype(pair.case), run.causes.get(subject)))
        if subject in run.causes:
            told = map(clean, cause.lines(run.causes[subject]))
            SubElement(suite, "system-out").text = "\n".join([f"why {clean(subject)} diverges:", *told])
        _count(suite, sum(pair.seconds for pair in pairs))
        suite.set("timestamp", clean(run.started))
    _count(root, run.seconds)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _test(pair: Pair, item: Comparison, dtype: str, known: cause.Cause | None) -> Element:
    share = pair.seconds / len(pair.comparisons)
    name = f"{clean(item.case)} ({item.gradients}, {item.comparison})"
    test = Element("testcase", {"classname": clean(item.subject), "name": name, "time": f"{share:.3f}"})
    verdict = item.outcome
    message = f"{item.verdict}: {clean(item.reason) or verdict.value}"
    if verdict.fails:
        kind = "error" if verdict is Verdict.FAILED else "failure"
        why = [f"why: {clean(cause.of_case(known, pair.case))}"] if known else []
        text = "\n".join([failure_text(item, dtype), *why])
        SubElement(test, kind, {"message": message, "type": item.verdict}).text = text
    elif not verdict.compared:
        SubElement(test, "skipped", {"message": message})
    elif item.notes or verdict is Verdict.KNOWN_DIVERGENCE:
        SubElement(test, "system-out").text = "\n".join([message, *map(clean, item.notes)])
    return test


def _count(node: Element, seconds: float) -> None:
    node.set("tests", str(len(list(node.iter("testcase")))))
    for plural, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        node.set(plural, str(len(list(node.iter(kind)))))
    node.set("time", f"{seconds:.3f}")
