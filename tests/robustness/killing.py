"""Kills ``parity`` commands at random moments and looks at what they leave: a table by hand, a few moments as a test.

``python tests/robustness/killing.py --kills 100`` prints the table. Of each command one undisturbed run over the
same folder says first what a restart must end with, and how long a run lasts.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
CASES = ["rmsprop/epsilon*", "--jobs", "2"]
RIGHT, WRONG = "reference", str(ROOT / "tests" / "optimizers" / "epsilon_outside.py") + ":RMSprop"
BOTH = ["--subject", RIGHT, "--subject", WRONG]
COMMANDS: dict[str, list[str]] = {
    "run": ["run", *CASES, *BOTH, "--json"],
    "report": ["report", *CASES, *BOTH, "--output", "place"],
    "check": ["check", *CASES, *BOTH, "--baseline", "place"],
    "accept": ["accept", "--baseline", "place"],
    "record": ["record", *CASES, *BOTH, "--output", "place"],
}
BEFORE: dict[str, list[list[str]]] = {
    "run": [],
    "report": [["report", *CASES, *BOTH, "--steps", "5", "--output", "place"]],
    "check": [
        ["check", "rmsprop/epsilon*", "--subject", WRONG, "--baseline", "place"],
        ["accept", "--baseline", "place"],
    ],
    "accept": [
        ["check", "rmsprop/epsilon", "--subject", RIGHT, "--baseline", "place"],
        ["accept", "--baseline", "place"],
        ["check", *CASES, *BOTH, "--baseline", "place"],
    ],
    "record": [["record", *CASES, *BOTH, "--steps", "5", "--output", "place"]],
}
"""What stands there before: another, complete result of the same command, or what the command starts from."""

SECONDS_TO_END = 5.0
_CHANGING = re.compile(
    rb'"(?:started|seconds)": ?(?:"[^"]*"|[-0-9.e+]+)|time="[0-9.]+"|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}[+]00:00'
    rb"|took [0-9.]+ s|\xc2\xb7 [0-9]+ seconds?<"
)
Files = dict[str, bytes]


@dataclass
class Tally:
    """What was seen of one command."""

    kills: Counter[str] = field(default_factory=Counter)
    done: int = 0
    old: int = 0
    new: int = 0
    slowest_end: float = 0.0
    faults: list[str] = field(default_factory=list)


def start(words: list[str], folder: Path) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PARITY_KILLED": str(folder)}
    command = [sys.executable, "-P", "-c", "from parity.commands.cli import main; raise SystemExit(main())", *words]
    out = (folder / "out").open("wb")
    try:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=out, stderr=subprocess.DEVNULL, start_new_session=True
        )
    finally:
        out.close()


def called(words: list[str], folder: Path) -> int:
    return start(words, folder).wait()


def files_of(folder: Path) -> Files:
    """Return every file below a folder, by its path in it."""
    found: Files = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError, IsADirectoryError):  # a worker may still put things in order
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def lasting(name: str, content: bytes) -> bytes:
    """Return what of a file must be the same after another run: all but the moment it began and how long it took."""
    return content if name.endswith((".parquet", ".safetensors")) else _CHANGING.sub(b"", content)


def same(left: Files, right: Files) -> bool:
    return left.keys() == right.keys() and all(lasting(k, left[k]) == lasting(k, right[k]) for k in left)


def under_final_names(files: Files) -> Files:
    """Return the files that a reader would open: none of a hidden name but git's, and nothing in a hidden folder."""
    hidden = {name for name in files if any(p.startswith(".") and p != ".gitignore" for p in Path(name).parts)}
    return {name: content for name, content in files.items() if name not in hidden}


def living(folder: Path) -> list[int]:
    """Return the processes that carry the mark of this folder in their environment and are no zombies."""
    mark, found = f"PARITY_KILLED={folder}\0".encode(), []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (
                mark in (path / "environ").read_bytes()
                and (path / "stat").read_text().rpartition(") ")[2][0] not in "ZX"
            ):
                found.append(int(path.name))
        except (OSError, IndexError):
            continue
    return found


class Rounds:
    """Kills of one command, each from the same start."""

    def __init__(self, command: str, folder: Path) -> None:
        self.words, self._home, self._start, self.tally = COMMANDS[command], folder, folder / "start", Tally()
        self._start.mkdir(parents=True)
        for words in BEFORE[command]:
            assert called(words, self._start) in (0, 1), words
        self.before = files_of(self._start / "place")
        whole = Path(shutil.copytree(self._start, folder / "whole"))
        began = time.monotonic()
        self._status = called(self.words, whole)
        self.lasts = time.monotonic() - began
        self.after, self.printed = files_of(whole / "place"), lasting("", (whole / "out").read_bytes())
        assert command == "run" or self.after != self.before

    def kill(self, moment: float, whom: str) -> None:
        """Kill a run after a part of its usual time, look, and start again."""
        folder = Path(shutil.copytree(self._start, self._home / f"{sum(self.tally.kills.values())}"))
        running = start(self.words, folder)
        time.sleep(moment * self.lasts)
        self.tally.done += running.poll() is not None
        for process in living(folder) if whom == "all" else [running.pid]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        running.wait()
        self.tally.kills[whom] += 1
        at = f"{whom}, {moment:.3f} of {self.lasts:.2f} s"
        self._look(folder, at)
        self._await_end(folder, at)
        self._look(folder, at)
        if called(self.words, folder) != self._status:
            self.tally.faults.append(f"{at}: the restart ended with another status")
        if not same(files_of(folder / "place"), self.after):
            differing = set(files_of(folder / "place").items()) ^ set(self.after.items())
            self.tally.faults.append(f"{at}: the restart left something else: {sorted({n for n, _ in differing})[:5]}")
        # A kill may come after the last write: then nothing waits any more, and a second accept says so.
        if self.words[0] != "accept" and lasting("", (folder / "out").read_bytes()) != self.printed:
            self.tally.faults.append(f"{at}: the restart printed something else")
        if [path.name for path in folder.iterdir() if path.name not in ("out", "place")]:
            self.tally.faults.append(f"{at}: left over beside the place: {sorted(p.name for p in folder.iterdir())}")
        shutil.rmtree(folder)

    def _look(self, folder: Path, at: str) -> None:
        """Every file under a final name is the earlier one or the new one, whole; what stood there is still there."""
        found = under_final_names(files_of(folder / "place"))
        if not (folder / "place").exists() and self.before:
            # Killed between two renames: the next call puts it back.
            found = under_final_names(files_of(folder / ".place.old"))
        for name, content in found.items():
            old = self.before.get(name) == content
            new = name in self.after and lasting(name, content) == lasting(name, self.after[name]) and bool(content)
            self.tally.old += old
            self.tally.new += new and not old
            if not (old or new):
                self.tally.faults.append(f"{at}: {name} is neither the earlier nor the new file")
        gone = {name for name in self.before if name in self.after} - found.keys()
        if gone:
            self.tally.faults.append(f"{at}: lost: {sorted(gone)[:5]}")

    def _await_end(self, folder: Path, at: str) -> None:
        began = time.monotonic()
        while living(folder):
            if time.monotonic() - began > SECONDS_TO_END:
                self.tally.faults.append(f"{at}: processes {living(folder)} still live after {SECONDS_TO_END:g} s")
                break
            time.sleep(0.05)
        self.tally.slowest_end = max(self.tally.slowest_end, time.monotonic() - began)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--command", action="append", choices=COMMANDS, help="may be given again; else all")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    moments, faults = random.Random(arguments.seed), 0
    print("command  kills  all parent  too late  earlier    new  last end  faults")
    commands = arguments.command or list(COMMANDS)
    for number, command in enumerate(commands):
        with tempfile.TemporaryDirectory(prefix="parity-kills-") as folder:
            rounds = Rounds(command, Path(folder))
            end, begin = (arguments.kills * place // len(commands) for place in (number + 1, number))
            for turn in range(end - begin):
                # Half of them near the end, where files are written.
                moment = moments.uniform(0.02, 1.0) if turn % 4 < 2 else moments.uniform(0.8, 1.05)
                rounds.kill(moment, "all" if turn % 2 else "parent")
        tally = rounds.tally
        kills, all_of_them = sum(tally.kills.values()), tally.kills["all"]
        counts = f"{kills:5} {all_of_them:4} {kills - all_of_them:6} {tally.done:9} {tally.old:8} {tally.new:6}"
        print(f"{command:8} {counts} {tally.slowest_end:7.2f} s {len(tally.faults):7}", flush=True)
        for fault in tally.faults:
            print(f"  {fault}")
        faults += len(tally.faults)
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
