"""Two hundred triples of mistakes, with the state visible and without: each named or tied, none named wrongly.

They are the first of the five hundred that ``planted.py`` goes through as a script, which takes too long for a suite.
"""

import planted
import pytest

pytestmark = [pytest.mark.exhaustive, pytest.mark.filterwarnings("ignore::RuntimeWarning")]

TRIPLES = planted.drawn(planted.sets(3), 500)[:200]
AT_A_TIME = 25


@pytest.mark.parametrize("slots", [True, False], ids=["slots", "parameters"])
@pytest.mark.parametrize("first", range(0, len(TRIPLES), AT_A_TIME))
def test_three_mistakes_at_once_are_named_or_tied_and_no_confirmed_answer_is_wrong(first, slots):
    found = {triple: planted.check(triple, slots) for triple in TRIPLES[first : first + AT_A_TIME]}
    assert [triple for triple, each in found.items() if not each.inside] == []
    assert [triple for triple, each in found.items() if not each.right] == []
