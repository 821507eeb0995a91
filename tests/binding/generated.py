"""Some two hundred optimizers as people write them: every shape, under several names, right or with epsilon outside."""

import textwrap
from itertools import cycle, product
from typing import Any, NamedTuple

ROOTS = {"right": "np.sqrt({v} + self.eps)", "outside": "(np.sqrt({v}) + self.eps)"}
CONSTRUCTORS = [
    ("learning_rate=0.001, rho=0.9, epsilon=1e-7", "learning_rate, rho, epsilon"),
    ("lr=0.01, decay_rate=0.99, eps=1e-8", "lr, decay_rate, eps"),
    ("lr=0.01, alpha=0.99, eps=1e-8", "lr, alpha, eps"),
    ("eta=0.001, gamma=0.9, eps=1e-8", "eta, gamma, eps"),
    ("step_size=0.1, beta=0.9, epsilon=1e-8, decay=0.0", "step_size, beta, epsilon"),
]
SINGLE = [("w", "g"), ("w", "dw"), ("x", "grad"), ("theta", "gradient"), ("param", "param_grad")]
MANY = [("params", "grads"), ("weights", "gradients"), ("parameters", "grads"), ("variables", "grads")]

TEMPLATES = {
    "mapping in place": """
        def {step}(self, {p}, {g}):
            for k, d in {g}.items():
                self.v[k] = self.keep * self.v.get(k, 0 * d) + (1 - self.keep) * d * d
                {p}[k] -= self.rate * d / {root_k}
    """,
    "mapping returned": """
        def {step}(self, {p}, {g}):
            after = {{}}
            for k, d in {g}.items():
                self.v[k] = self.keep * self.v.get(k, 0 * d) + (1 - self.keep) * d * d
                after[k] = {p}[k] - self.rate * d / {root_k}
            return after
    """,
    "mapping reversed": """
        def {step}(self, {g}, {p}):
            for k, d in {g}.items():
                self.v[k] = self.keep * self.v.get(k, 0 * d) + (1 - self.keep) * d * d
                {p}[k] = {p}[k] - self.rate * d / {root_k}
    """,
    "list in place": """
        def {step}(self, {p}, {g}):
            for k, (w, d) in enumerate(zip({p}, {g})):
                self.v[k] = self.keep * self.v.get(k, 0 * d) + (1 - self.keep) * d * d
                w -= self.rate * d / {root_k}
    """,
    "list returned": """
        def {step}(self, {p}, {g}):
            after = []
            for k in range(len({p})):
                d = {g}[k]
                self.v[k] = self.keep * self.v.get(k, 0 * d) + (1 - self.keep) * d * d
                after.append({p}[k] - self.rate * d / {root_k})
            return after
    """,
    "pairs": """
        def apply_gradients(self, grads_and_vars):
            for k, (d, w) in enumerate(grads_and_vars):
                self.v[k] = self.keep * self.v.get(k, 0 * d) + (1 - self.keep) * d * d
                w -= self.rate * d / {root_k}
    """,
    "one array": """
        def {step}(self, {w}, {d}):
            if self.c is None:
                self.c = np.zeros_like({w})
            self.c = self.keep * self.c + (1 - self.keep) * {d} * {d}
            return {w} - self.rate * {d} / {root_c}
    """,
    "one array by name": """
        def {step}(self, {w}, {d}, name):
            self.v[name] = self.keep * self.v.get(name, 0 * {d}) + (1 - self.keep) * {d} * {d}
            return {w} - self.rate * {d} / {root_name}
    """,
    "one array by index": """
        def {step}(self, idx, {w}, {d}):
            self.v[idx] = self.keep * self.v.get(idx, 0 * {d}) + (1 - self.keep) * {d} * {d}
            return {w} - self.rate * {d} / {root_idx}
    """,
    "called": """
        def __call__(self, {p}, {g}):
            for k, d in {g}.items():
                self.v[k] = self.keep * self.v.get(k, 0 * d) + (1 - self.keep) * d * d
                {p}[k] -= self.rate * d / {root_k}
    """,
    "objects in the constructor": """
        def step(self):
            for k, each in enumerate(self.own):
                d = each.grad
                self.v[k] = self.keep * self.v.get(k, 0 * d) + (1 - self.keep) * d * d
                each.data = each.data - self.rate * d / {root_k}
    """,
    "arrays in the constructor": """
        def {step}(self, {g}):
            for k, d in {g}.items():
                self.v[k] = self.keep * self.v.get(k, 0 * d) + (1 - self.keep) * d * d
                self.own[k] -= self.rate * d / {root_k}
    """,
    "layers": """
        def {step}(self, layer):
            for k, name in (("weights", "dweights"), ("biases", "dbiases")):
                d, cache = getattr(layer, name), "cache_" + k
                old = layer.__dict__.get(cache, 0 * d)
                self.v[k] = self.keep * old + (1 - self.keep) * d * d
                layer.__dict__[cache] = self.v[k]
                setattr(layer, k, getattr(layer, k) - self.rate * d / {root_k})
    """,
    "state handed on": """
        def init(self, params):
            return {{k: np.zeros_like(w) for k, w in params.items()}}

        def step(self, params, grads, state):
            state = {{k: self.keep * state[k] + (1 - self.keep) * d * d for k, d in grads.items()}}
            return {{k: w - self.rate * grads[k] / {root_state} for k, w in params.items()}}, state
    """,
}
OWNS = {"objects in the constructor", "arrays in the constructor"}


class Generated(NamedTuple):
    """One class: which shape it has, whether it is right, and its text."""

    shape: str
    fault: str
    source: str

    @property
    def kind(self) -> Any:
        space: dict[str, Any] = {"__name__": "generated"}
        exec("import numpy as np\n" + self.source, space)  # our own text
        return space["Mine"]


def generated() -> list[Generated]:
    """Return every shape under five sets of names, right and wrong, and then some with other names of a step."""
    found = []
    steps = cycle(["update", "step", "apply", "update_params", "optimize"])
    for (shape, body), number, fault in product(TEMPLATES.items(), range(7), ROOTS):
        signature, names = CONSTRUCTORS[number % len(CONSTRUCTORS)]
        rate, keep, eps = names.split(", ")
        root = ROOTS[fault]
        words = {f"root_{key}": root.format(v=f"self.v[{key}]") for key in ("k", "name", "idx")}
        words |= {"root_c": root.format(v="self.c"), "root_state": root.format(v="state[k]")}
        (w, d), (p, g) = SINGLE[number % len(SINGLE)], MANY[number % len(MANY)]
        owner = "params, " if shape in OWNS else ""
        holds = "self.own = params" if owner else "self.own = None"
        head = f"""
        class Mine:
            def __init__(self, {owner}{signature}):
                self.rate, self.keep, self.eps, self.v, self.c = {rate}, {keep}, {eps}, {{}}, None
                {holds}
        """
        method = textwrap.dedent(body).format(step=next(steps), p=p, g=g, w=w, d=d, **words)
        found.append(Generated(shape, fault, textwrap.dedent(head) + textwrap.indent(method, "    ")))
    return found
