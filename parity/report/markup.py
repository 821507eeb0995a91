"""The templates of the page: whatever enters them is cleaned and escaped, and a name that they lack is an error."""

from functools import cache
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from parity.report.facts import LOOKS, command, moment, name
from parity.report.numbers import clean, many, times
from parity.verdicts.cause import reach

STRICT_JSON = {"ensure_ascii": False, "separators": (",", ":"), "allow_nan": False}


@cache
def environment(package: str) -> Environment:
    """Return the templates in the folder ``templates`` of a package."""
    templates = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.policies["json.dumps_kwargs"] = STRICT_JSON
    return templates


def render(template: str, **values: Any) -> Markup:
    """Return a part of the report's page."""
    return Markup(_page().get_template(template).render(values))


@cache
def _page() -> Environment:
    page = environment("parity.report")
    page.filters |= {"many": many, "times": times, "name": name, "moment": moment}
    page.globals |= {"looks": LOOKS, "command": command, "fragment": fragment, "reach": reach}
    return page


def _clean(value: object) -> object:
    """Return what is markup already as it is, and anything else as text without control characters."""
    return value if hasattr(value, "__html__") else clean(value)


def fragment(case: str, subject: str) -> str:
    """Return the fragment that opens a pair; page.js reads it with URLSearchParams."""
    case, subject = (quote(clean(word), safe="/:,=[]@") for word in (case, subject))
    return f"#case={case}&subject={subject}"
