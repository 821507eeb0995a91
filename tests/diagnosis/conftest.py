"""The helpers beside these tests can be imported by name, and so can the optimizers of all tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "optimizers"))
