"""Keras, beside which pages are held here."""

import warnings
from typing import Any

import pytest


@pytest.fixture
def keras() -> Any:
    """Return Keras, or skip what asks for it where it is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("tensorflow")
        return pytest.importorskip("keras")
