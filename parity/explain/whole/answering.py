"""``parity.program``: a program and a Keras model in, the answer out, worked out in a process of its own."""

import os
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any, Final

from parity.circumstances.child import Child, NoAnswerError
from parity.errors import MisbehavedError, ParityError, SubjectError, UsageError, did_you_mean, shown
from parity.explain.whole.text import render

TIME_LIMIT: Final = 300.0
QUESTION_LIMIT: Final = 30.0
BOUND: Final = ("weights", "make", "predict", "loss", "grads", "step", "metric", "epoch")
FORM: Final = f"KEY=TEXT, where KEY is one of {', '.join(BOUND)}"
_KERAS: Final = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}


class Answer(dict[str, Any]):
    """An answer as ``parity program --json`` prints it, which shows itself as text."""

    def __repr__(self) -> str:
        return render(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(render(self))}</pre>"


def program(
    mine: str,
    keras: str,
    data: str = "",
    bind: Mapping[str, str] | None = None,
    time_limit: float = TIME_LIMIT,
    curves: bool = False,
) -> Answer:
    """Return how somebody's training program compares with his Keras model: what parts first, and why.

    Args:
        mine: the program, ``FILE.py`` or ``FILE.py:NAME`` where ``NAME`` is what holds its weights: an object, or a
            class or function that makes it. What trains at the top of the file is not run.
        keras: the model, ``FILE.py:build``, a function that returns it compiled.
        data: an NPZ file with x and y, ``FILE.py:function``, ``mnist``, or empty: the function ``data`` of the model's
            file, else numbers that fit.
        bind: what no name says, as text: ``weights``, paths in the model's order such as ``"W1.T,b1"``; ``make``, an
            expression that makes what holds them; ``predict``, ``loss``, ``grads``, ``step``, ``metric`` and ``epoch``,
            expressions over the file's names, ``x``, ``y`` and ``rate``, and ``loop(X=x, y=y)``, which runs the body
            of a loop at the top of the file once.
        time_limit: seconds for all of it; one question to the program may take thirty of them.
        curves: whether both sides train for some seconds, and the program with its lines changed.

    Raises:
        ParityError: something is not there, cannot be loaded, or does not fit; the text says how to go on.
    """
    return Answer(ask(mine, keras, data, bound_by_hand(bind or {}), time_limit, curves))


def bound_by_hand(bind: Mapping[str, str]) -> dict[str, str]:
    """Return what a person bound.

    Raises:
        UsageError: a key means nothing, or a value is no text.
    """
    for key, text in bind.items():
        if key not in BOUND:
            raise UsageError(f"bind: received {shown(key)}.{did_you_mean(str(key), list(BOUND))} Allowed: {FORM}.")
        if not isinstance(text, str) or not text.strip():
            raise UsageError(f"bind: {key} is {shown(text)}; allowed: {FORM}.")
    return {key: text.strip() for key, text in bind.items()}


def ask(
    mine: str,
    keras: str,
    data: str,
    bind: Mapping[str, str],
    time_limit: float,
    curves: bool = False,
    meanwhile: Callable[[], Any] = lambda: None,
) -> dict[str, Any]:
    """Return the answer as plain data; ``meanwhile`` is done while the process works.

    Raises:
        ParityError: see ``program``.
    """
    path, _, name = mine.partition(":")
    model, _, function = keras.partition(":")
    _require_python(path, "the program, such as mine.py or mine.py:net")
    _require_python(model, "--keras, such as model.py:build")
    process = Child("parity.explain.whole.worker", environment={**os.environ, **_KERAS})
    request = {"program": path, "name": name, "keras": model, "function": function or "build", "data": data}
    try:
        process.tell(request | {"bind": dict(bind), "seconds": min(QUESTION_LIMIT, time_limit), "drawn": curves})
        meanwhile()
        answer: dict[str, Any] = process.answer(time_limit)
    except NoAnswerError as ended:
        how = f"its process {ended.how}" if ended.how else f"did not finish within {time_limit:g} s and was stopped"
        raise MisbehavedError(f"{mine} beside {keras}: {how}.") from ended
    finally:
        process.end()
    if "error" in answer:
        kind = {"usage": UsageError, "subject": SubjectError}.get(str(answer.get("kind")), ParityError)
        raise kind(str(answer["error"]))
    return answer


def _require_python(path: str, what: str) -> None:
    if not path.endswith(".py"):
        raise UsageError(f"received {shown(path)}; allowed: a Python file for {what}.")
    if not Path(path).is_file():
        raise SubjectError(f"{path}: no such file. Name a Python file for {what}.")
