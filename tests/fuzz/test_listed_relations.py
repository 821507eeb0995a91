"""What is listed of a relation shows in tf.keras, in every mode."""

import pytest
from listed import LISTED, shown


@pytest.mark.sampled(3)
@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
@pytest.mark.parametrize("subject", ["keras-eager", "keras-graph", "keras-xla"])
def test_a_listed_divergence_of_a_relation_shows_in_keras(subject):
    pytest.importorskip("tensorflow")
    found = shown(subject)
    assert len(found) == len(LISTED) > 2
    assert all(found.values()), found
