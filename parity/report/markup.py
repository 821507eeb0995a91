"""The few pieces of HTML that several sections share; whatever enters is escaped here."""

from html import escape
from urllib.parse import quote

from parity.report.facts import LOOKS
from parity.report.numbers import clean
from parity.verdicts.verdict import Verdict


def text(value: object) -> str:
    """Return a value as text that is safe in an element and in a quoted attribute."""
    return escape(clean(value), quote=True)


def chip(verdict: Verdict, count: str = "") -> str:
    """Return a verdict as a coloured label with its symbol and its word."""
    look = LOOKS[verdict]
    number = f"<b>{text(count)}</b> " if count else ""
    return f'<span class="chip {verdict.name}"><i aria-hidden="true">{look.symbol}</i>{number}{look.word}</span>'


def section(anchor: str, title: str, body: str) -> str:
    """Return a landmark of the page with its heading."""
    heading = f'<h2 id="{anchor}-title">{title}</h2>'
    return f'<section id="{anchor}" aria-labelledby="{anchor}-title">{heading}{body}</section>'


def link(case: str, subject: str) -> str:
    """Return the fragment that opens a pair; page.js reads it with URLSearchParams."""
    case, subject = (quote(clean(word), safe="/:,=[]@") for word in (case, subject))
    return text(f"#case={case}&subject={subject}")


def digits(value: str, other: str) -> str:
    """Return a number with the digits that differ from ``other`` marked."""
    same = 0
    while same < min(len(value), len(other)) and value[same] == other[same]:
        same += 1
    return f"{text(value[:same])}<mark>{text(value[same:])}</mark>" if same < len(value) else text(value)
