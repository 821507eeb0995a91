"""The optimizers beside these tests, and those of all tests, can be imported by name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
