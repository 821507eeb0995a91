"""A net under what the baseline does not judge: what commands say, kept as text and compared.

``python tests/net/net.py keep [DIR]`` writes a file an item, ``compare [DIR]`` makes them anew and prints what differs:
diagnoses of the optimizers in tests/, what explain, export, a seeded search and the plugin say, lists and helps. Texts
are sorted, one value a line, without times, paths or commits, and the same on every processor: what comes from products
of matrices or from TensorFlow is left to the baseline. DIR, unless given, is ``kept`` beside this file.
"""

import difflib
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import items

HERE = Path(__file__).parent
KEPT = HERE / "kept"
JOBS = 2
SHOWN = 12
"""Lines of each item's difference that are printed."""


def made(names: Iterable[str]) -> dict[str, str]:
    """Return the text of each item, made on two cores."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(JOBS) as threads:
        tasks = {name: items.ITEMS[name](Path(folder, name), threads) for name in names}
        texts = {}
        for name, parts in tasks.items():
            texts[name] = "\n".join(part.result().rstrip("\n") for part in parts) + "\n"
            print(f"net: {name}: {len(texts[name].splitlines()):,} lines", file=sys.stderr, flush=True)
    return texts


def keep(folder: Path, texts: dict[str, str]) -> int:
    """Write each text into a file of its own; what is kept of items that are no more goes."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.txt"):
        if path.stem not in items.ITEMS:
            path.unlink()
    for name, text in texts.items():
        path = folder / f"{name}.txt"
        part = path.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    print(f"Kept {len(texts)} items in {folder}.")
    return 0


def compare(folder: Path, texts: dict[str, str], whole: bool = True) -> int:
    """Print how each text differs from the one that is kept; return 1 if any does, or is not kept or no more made."""
    kept = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.txt"))}
    wrong = [name for name, text in texts.items() if kept.get(name) != text]
    surplus = [name for name in kept if name not in items.ITEMS] if whole else []
    for name in wrong:
        lines = difflib.unified_diff(
            kept.get(name, "").splitlines(), texts[name].splitlines(), "kept", "made", n=1, lineterm=""
        )
        shown = list(lines)
        print(f"--- {name}", *shown[2 : 2 + SHOWN], sep="\n")
        if len(shown) > 2 + SHOWN:
            print(f"… and {len(shown) - 2 - SHOWN:,} more lines")
    for name in surplus:
        print(f"--- {name}: kept, and made by no item")
    if wrong or surplus:
        print(f"Not as kept in {folder}: {', '.join([*wrong, *surplus])}.")
        return 1
    print(f"All {len(texts)} items are as kept in {folder}.")
    return 0


def main(words: list[str]) -> int:
    """Keep or compare; 2 for a mistake in the call."""
    verbs: dict[str, Callable[..., int]] = {"keep": keep, "compare": compare}
    only = [word.removeprefix("--only=") for word in words if word.startswith("--only=")]
    rest = [word for word in words if not word.startswith("-")]
    unknown = [name for name in only if name not in items.ITEMS]
    known = len(rest) in (1, 2) and rest[0] in verbs and len(words) == len(only) + len(rest) and not unknown
    if not known:
        received = " ".join(words) or "nothing"
        print(f"{__doc__}\nReceived: {received}. Allowed: keep|compare [DIR] [--only=ITEM]…")
        print(f"Items: {', '.join(items.ITEMS)}.")
        return 2
    folder = Path(rest[1]) if len(rest) == 2 else KEPT
    if rest[0] == "compare" and not folder.is_dir():
        print(f"net: nothing is kept in {str(folder)!r}: there is no such folder. `keep` makes it.")
        return 2
    texts = made(only or items.ITEMS)
    return keep(folder, texts) if rest[0] == "keep" else compare(folder, texts, whole=not only)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
