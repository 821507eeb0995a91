"""Hundreds of optimizers as people write them: every shape, under several names, right or with epsilon outside."""

import textwrap
from collections.abc import Iterator
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
TWOS = [
    dict(zip(("weight", "bias", "d_weight", "d_bias"), names.split(), strict=True))
    for names in (
        "w b dw db",
        "W b dW db",
        "weights bias delta_w delta_b",
        "weight bias weight_grad bias_grad",
        "w b dl_dw dl_db",
    )
]
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


FUNCTIONS = {
    "generator that is sent gradients": """
        def Mine({w}, {signature}):
            v = np.zeros_like({w})
            while True:
                {d} = yield {w}
                v = {keep} * v + (1 - {keep}) * {d} * {d}
                {w} = {w} - {rate} * {d} / {root}
    """,
    "generator in place over a mapping": """
        def Mine({p}, {signature}):
            state = {{}}
            while True:
                {g} = yield
                for k, d in {g}.items():
                    v = state[k] = {keep} * state.get(k, 0 * d) + (1 - {keep}) * d * d
                    {p}[k] -= {rate} * d / {root}
    """,
    "generator that draws gradients": """
        def Mine({w}, {g}, {signature}):
            v = np.zeros_like({w})
            for d in {g}:
                v = {keep} * v + (1 - {keep}) * d * d
                {w} = {w} - {rate} * d / {root}
                yield {w}
    """,
    "generator that asks for gradients": """
        def Mine(grad_fn, {w}, {signature}):
            v = np.zeros_like({w})
            yield {w}
            while True:
                d = grad_fn({w})
                v = {keep} * v + (1 - {keep}) * d * d
                {w} = {w} - {rate} * d / {root}
                yield {w}
    """,
    "loop that returns": """
        def Mine(grad, {w}0, {signature}, num_iters=100):
            {w}, v = {w}0.copy(), np.zeros_like({w}0)
            for i in range(num_iters):
                d = grad({w})
                v = {keep} * v + (1 - {keep}) * d * d
                {w} = {w} - {rate} * d / {root}
            return {w}
    """,
    "loop in place with a history": """
        def Mine(f, df, {w}, {signature}, max_iter=50, tol=1e-3):
            v, history = np.zeros_like({w}), []
            for _ in range(max_iter):
                d = df({w})
                if np.linalg.norm(d) < tol:
                    break
                v = {keep} * v + (1 - {keep}) * d * d
                {w} -= {rate} * d / {root}
                history.append({w}.copy())
            return {w}, history
    """,
    "loop over a mapping with a callback": """
        def Mine(gradient_function, {p}, {signature}, callback=None, n_steps=10):
            state = {{}}
            for t in range(n_steps):
                for k, d in gradient_function({p}, t).items():
                    v = state[k] = {keep} * state.get(k, 0 * d) + (1 - {keep}) * d * d
                    {p} = {{**{p}, k: {p}[k] - {rate} * d / {root}}}
                if callback:
                    callback({p}, t)
            return {p}
    """,
    "three functions": """
        def Mine({signature}):
            def init({w}):
                return {w}, np.zeros_like({w})

            def update(i, {d}, state):
                {w}, v = state
                v = {keep} * v + (1 - {keep}) * {d} * {d}
                return {w} - {rate} * {d} / {root}, v

            return init, update, lambda state: state[0]
    """,
    "two functions": """
        def Mine({signature}):
            def init({w}):
                return np.zeros_like({w})

            def update({first}, {second}, v):
                v = {keep} * v + (1 - {keep}) * {d} * {d}
                return {w} - {rate} * {d} / {root}, v

            return init, update
    """,
    "function that a function makes": """
        def Mine({signature}):
            state = {{}}

            def step({p}, {g}):
                for k, d in {g}.items():
                    v = state[k] = {keep} * state.get(k, 0 * d) + (1 - {keep}) * d * d
                    {p}[k] -= {rate} * d / {root}

            return step
    """,
    "function with its state": """
        def Mine({first}, {second}, cache, {signature}):
            v = cache = {keep} * cache + (1 - {keep}) * {d} * {d}
            return {w} - {rate} * {d} / {root}, cache
    """,
    "numbered mapping": """
        def Mine({p}, {g}, s, {signature}):
            for l in range(1, len({p}) // 2 + 1):
                for k in ("W%d" % l, "b%d" % l):
                    d = {g}["d" + k]
                    v = s["d" + k] = {keep} * s["d" + k] + (1 - {keep}) * d * d
                    {p}[k] = {p}[k] - {rate} * d / {root}
            return {p}, s
    """,
    "loop that asks twice": """
        def Mine(df, {w}, {signature}, iterations=50):
            history, v = [{w}], np.zeros_like({w})
            for _ in range(iterations):
                if np.max(np.abs(df({w}))) < 0:
                    break
                d = df({w})
                v = {keep} * v + (1 - {keep}) * d * d
                {w} = {w} - {rate} * d / {root}
                history.append({w})
            return history
    """,
    "loop that hands data on": """
        def Mine(data, {w}, func_grad, {signature}, iterationNumber=50, *arg):
            v = np.zeros_like({w})
            for _ in range(iterationNumber):
                d = func_grad(data, {w})
                v = {keep} * v + (1 - {keep}) * d * d
                {w} = {w} - {rate} * d / {root}
            return {w}
    """,
    "loop behind a decorator": """
        def decorated(optimize):
            def flat(grad, x0, callback=None, *args, **kwargs):
                return optimize(grad, x0, callback, *args, **kwargs)
            return flat

        @decorated
        def Mine(grad, {w}, callback=None, num_iters=100, {signature}):
            v = np.zeros_like({w})
            for i in range(num_iters):
                d = grad({w}, i)
                v = {keep} * v + (1 - {keep}) * d * d
                {w} = {w} - {rate} * d / {root}
            return {w}
    """,
    "iterated over, weights in place": """
        class Mine:
            def __init__(self, wrt, fprime, {signature}, args=None):
                self.wrt, self.fprime, self.rate, self.keep, self.eps, self.v = wrt, fprime, {names}, 0

            def __iter__(self):
                while True:
                    d = self.fprime(self.wrt)
                    self.v = self.keep * self.v + (1 - self.keep) * d * d
                    self.wrt -= self.rate * d / {root_inside}
                    yield {{"gradient": d}}
    """,
    "loop as a method": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps = {names}

            def minimize(self, grad_fn, {w}, iterations=100):
                v = np.zeros_like({w})
                for t in range(iterations):
                    d = grad_fn({w})
                    v = self.keep * v + (1 - self.keep) * d * d
                    {w} = {w} - self.rate * d / {root_self}
                return {w}
    """,
    "rate with each step": """
        class Mine:
            def __init__(self, {signature}):
                self.keep, self.eps, self.v = {keep}, {eps}, 0

            def update(self, {w}, {d}, lr):
                self.v = self.keep * self.v + (1 - self.keep) * {d} * {d}
                return {w} - lr * {d} / {root_inside}
    """,
    "length with each step": """
        class Mine:
            def __init__(self, {signature}):
                self.keep, self.eps, self.v = {keep}, {eps}, 0

            def update(self, step, {first}, {second}):
                self.v = self.keep * self.v + (1 - self.keep) * {d} * {d}
                return {w} - step * {d} / {root_inside}
    """,
    "change to add, its length with each step": """
        class Mine:
            def __init__(self, {signature}):
                self.keep, self.eps, self.v = {keep}, {eps}, 0

            def calc_update(self, step, {d}):
                self.v = self.keep * self.v + (1 - self.keep) * {d} * {d}
                return -step * {d} / {root_inside}
    """,
    "change to subtract": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps, self.v = {names}, 0

            def get_step(self, {d}):
                self.v = self.keep * self.v + (1 - self.keep) * {d} * {d}
                return self.rate * {d} / {root_inside}
    """,
    "change to add in a mapping": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps, self.v = {names}, {{}}

            def compute_updates(self, {g}):
                found = {{}}
                for k, d in {g}.items():
                    v = self.v[k] = self.keep * self.v.get(k, 0 * d) + (1 - self.keep) * d * d
                    found[k] = -self.rate * d / {root_self}
                return found
    """,
    "change from a function": """
        def Mine({names}, {d}, s_prev):
            v = {keep} * s_prev + (1 - {keep}) * {d} * {d}
            return {rate} * {d} / {root}, v
    """,
    "numbers before the weights": """
        def Mine({names}, {first}, {second}, cache):
            v = cache = {keep} * cache + (1 - {keep}) * {d} * {d}
            return {w} - {rate} * {d} / {root}, cache
    """,
    "numbers between lists and their state": """
        def Mine({p}, {g}, {signature}, state=None):
            state = state or {{"v": [np.zeros_like(w) for w in {p}]}}
            after = []
            for k, (w, d) in enumerate(zip({p}, {g})):
                v = state["v"][k] = {keep} * state["v"][k] + (1 - {keep}) * d * d
                after.append(w - {rate} * d / {root})
            return after, state
    """,
    "mapping numbered from zero": """
        def Mine({p}, {g}, s, {names}):
            for l in range(len({p}) // 2):
                for k in ("W%d" % l, "b%d" % l):
                    d = {g}["d" + k]
                    v = s["d" + k] = {keep} * s["d" + k] + (1 - {keep}) * d * d
                    {p}[k] = {p}[k] - {rate} * d / {root}
            return {p}
    """,
    "weights and biases in one call": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps, self.v = {names}, [0, 0]

            def _moved(self, k, w, d):
                v = self.v[k] = self.keep * self.v[k] + (1 - self.keep) * d * d
                return w - self.rate * d / {root_self}

            def update(self, t, {weight}, {bias}, {d_weight}, {d_bias}):
                return self._moved(0, {weight}, {d_weight}), self._moved(1, {bias}, {d_bias})
    """,
    "weights and biases in place": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps, self.v = {names}, {{}}

            def apply(self, {weight}, {d_weight}, {bias}, {d_bias}):
                for k, (w, d) in enumerate((({bias}, {d_bias}), ({weight}, {d_weight}))):
                    v = self.v[k] = self.keep * self.v.get(k, 0) + (1 - self.keep) * d * d
                    w -= self.rate * d / {root_self}
    """,
    "lists of weights and of biases": """
        def Mine(weights, biases, dweights, dbiases, kept, {signature}):
            for name, ws, ds in (("w", weights, dweights), ("b", biases, dbiases)):
                held = kept.setdefault(name, [np.zeros_like(w) for w in ws])
                for i, d in enumerate(ds):
                    v = held[i] = {keep} * held[i] + (1 - {keep}) * d * d
                    ws[i] = ws[i] - {rate} * d / {root}
    """,
    "list of mappings": """
        class Mine:
            def __init__(self, {p}, {signature}):
                self.own, self.rate, self.keep, self.eps = {p}, {names}
                self.v = [{{k: 0 * w for k, w in layer.items()}} for layer in self.own]

            def update(self, {g}):
                for layer, ds, vs in zip(self.own, {g}, self.v):
                    for k, d in ds.items():
                        v = vs[k] = self.keep * vs[k] + (1 - self.keep) * d * d
                        layer[k] = layer[k] - self.rate * d / {root_self}
    """,
    "gradients that are objects": """
        class Mine:
            def __init__(self, {p}, {signature}):
                self.own, self.rate, self.keep, self.eps, self.v = {p}, {names}, {{}}

            def step(self):
                for k, each in enumerate(self.own):
                    d = each.grad.{data}
                    v = self.v[k] = self.keep * self.v.get(k, 0 * d) + (1 - self.keep) * d * d
                    each.{data} -= self.rate * d / {root_self}
    """,
    "objects under a name that says nothing": """
        class Mine:
            def __init__(self, things, {signature}):
                self.own, self.rate, self.keep, self.eps, self.v = things, {names}, {{}}

            def step(self):
                for k, each in enumerate(self.own):
                    v = self.v[k] = self.keep * self.v.get(k, 0) + (1 - self.keep) * each.grad * each.grad
                    each.data = each.data - self.rate * each.grad / {root_self}
    """,
    "state on the parameter": """
        class Mine:
            def __init__(self, {p}, {signature}):
                self.own, self.rate, self.keep, self.eps = {p}, {names}

            def step(self):
                for each in self.own:
                    v = each.moment = self.keep * each.moment + (1 - self.keep) * each.grad * each.grad
                    each.data = each.data - self.rate * each.grad / {root_self}
    """,
    "layers that need not be given": """
        class Mine:
            def __init__(self, layers=(), {signature}):
                self.layers, self.rate, self.keep, self.eps, self.v = layers, {names}, {{}}

            def step(self):
                for i, layer in enumerate(self.layers):
                    for name, d in (("weights", layer.grad), ("bias", layer.grad_bias if layer.use_bias else 0)):
                        v = self.v[i, name] = self.keep * self.v.get((i, name), 0) + (1 - self.keep) * d * d
                        setattr(layer, name, getattr(layer, name) - self.rate * d / {root_self})
    """,
    "layer and its gradients": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps = {names}

            def update(self, this, {d_weight}, {d_bias}):
                for name, d in (("w", {d_weight}), ("b", {d_bias})):
                    v = this.opt_params[name] = self.keep * this.opt_params.get(name, 0) + (1 - self.keep) * d * d
                    setattr(this, name, getattr(this, name) - self.rate * d / {root_self})
    """,
    "layers that take a change": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps, self.v = {names}, {{}}

            def change(self, key, d):
                v = self.v[key] = self.keep * self.v.get(key, 0) + (1 - self.keep) * d * d
                return {sign}self.rate * d / {root_self}

            def update(self, layers):
                for i, layer in enumerate(layers):
                    layer.update(self.change((i, 0), layer.grad_weights), self.change((i, 1), layer.grad_bias))
    """,
    "model with parameters and gradients": """
        class Mine:
            def __init__(self, model, {signature}):
                self.model, self.rate, self.keep, self.eps, self.v = model, {names}, {{}}

            def step(self):
                for k, (each, d) in enumerate(zip(self.model.parameters(), self.model.grads())):
                    v = self.v[k] = self.keep * self.v.get(k, 0) + (1 - self.keep) * d * d
                    each.data = each.data - self.rate * d / {root_self}
    """,
    "model that is given before": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps, self.v = {names}, {{}}

            def setup(self, target):
                self.target = target

            def update(self):
                for each in self.target.params():
                    v = self.v[id(each)] = self.keep * self.v.get(id(each), 0) + (1 - self.keep) * each.grad.data ** 2
                    each.data -= self.rate * each.grad.data / {root_self}
    """,
    "model whose arrays are got and set": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps, self.v = {names}, {{}}

            def update(self, model):
                after = []
                for which, (ws, ds) in enumerate(zip(model.get_weights(), model.get_gradients())):
                    after.append([])
                    for k, (w, d) in enumerate(zip(ws, ds)):
                        v = self.v[which, k] = self.keep * self.v.get((which, k), 0) + (1 - self.keep) * d * d
                        after[-1].append(w - self.rate * d / {root_self})
                model.set_weights(*after)
    """,
    "model that is set up, whose layers take a change by name": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps = {names}

            def setup(self, network):
                self.v = [{{k: 0 * layer.parameters[k] for k in layer.parameters}} for layer in network.dense_layers]

            def update(self, network):
                for layer, kept in zip(network.dense_layers, self.v):
                    for k, d in layer.parameters.grad.items():
                        v = kept[k] = self.keep * kept[k] + (1 - self.keep) * d * d
                        layer.parameters.step(k, {sign}self.rate * d / {root_self})
    """,
    "layers that hand out pairs": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps, self.v = {names}, {{}}

            def update_params(self, layer):
                held = layer.get_parameters()
                assert isinstance(held, dict), "a mapping from names to pairs"
                for k, (w, d) in held.items():
                    v = self.v[k] = self.keep * self.v.get(k, 0) + (1 - self.keep) * d * d
                    {taken}
    """,
    "shape in the constructor": """
        class Mine:
            def __init__(self, shape, {signature}):
                self.rate, self.keep, self.eps = {names}
                self.v = np.zeros(shape, dtype=np.float32)

            def update(self, {w}, {d}):
                self.v = self.keep * self.v + (1 - self.keep) * {d} * {d}
                return {w} - self.rate * {d} / {root_inside}
    """,
    "one array in the constructor": """
        class Mine:
            def __init__(self, {w}, {signature}):
                self.held, self.rate, self.keep, self.eps, self.v = {w}, {names}, 0

            def minimize(self, {d}):
                self.v = self.keep * self.v + (1 - self.keep) * {d} * {d}
                self.held = self.held - self.rate * {d} / {root_inside}
    """,
    "array and its gradient in the constructor": """
        class Mine:
            def __init__(self, {w}, {d}, {signature}):
                self.held, self.slope, self.keep, self.eps, self.v = {w}, {d}, {keep}, {eps}, 0

            def update(self, eta):
                self.v = self.keep * self.v + (1 - self.keep) * self.slope * self.slope
                {moving}
    """,
    "mappings and their gradients in the constructor": """
        class Mine:
            def __init__(self, {p}, {g}, {signature}):
                self.held, self.slopes, (self.rate, self.keep, self.eps) = {p}, {g}, ({names})
                self.kept = {{k: 0 * w for k, w in {p}.items()}}

            def step(self):
                for k, d in self.slopes.items():
                    v = self.kept[k] = self.keep * self.kept[k] + (1 - self.keep) * d * d
                    self.held[k] = self.held[k] - self.rate * d / {root_self}
    """,
    "pairs, the parameter first": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps, self.v = {names}, {{}}

            def update_step(self, vars_and_grads):
                for k, (w, d) in enumerate(vars_and_grads):
                    v = self.v[k] = self.keep * self.v.get(k, 0) + (1 - self.keep) * d * d
                    w -= self.rate * d / {root_self}
    """,
    "layers whose parameters are pairs": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps, self.v = {names}, {{}}

            def step(self, layers):
                for layer in layers:
                    for w, d in layer.parameters():
                        v = self.v[id(w)] = self.keep * self.v.get(id(w), 0) + (1 - self.keep) * d * d
                        w -= self.rate * d / {root_self}
    """,
    "model of arrays": """
        class Mine:
            def __init__(self, module, {signature}):
                self.module, self.rate, self.keep, self.eps = module, {names}
                self.v = [np.zeros_like(w) for w in module.parameters()]

            def step(self):
                for k, (w, d) in enumerate(zip(self.module.parameters(), self.module.parameters_grad())):
                    v = self.v[k] = self.keep * self.v[k] + (1 - self.keep) * d * d
                    w -= self.rate * d / {root_self}
    """,
    "model of pairs": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps, self.v = {names}, {{}}

            def step(self, net):
                for k, (w, d) in enumerate(net.params_and_grads()):
                    v = self.v[k] = self.keep * self.v.get(k, 0) + (1 - self.keep) * d * d
                    w -= self.rate * d / {root_self}
    """,
    "two states": """
        def Mine({w}, {d}, v, s, {signature}):
            v = {keep} * v + (1 - {keep}) * {d} * {d}
            s = s + 1
            return {w} - {rate} * {d} / {root}, v, s
    """,
    "lists of weights and of biases in the constructor": """
        class Mine:
            def __init__(self, weights=None, biases=None, {signature}):
                self.weights, self.biases, self.rate, self.keep, self.eps = weights, biases, {names}
                self.s = [[np.zeros_like(w) for w in held] for held in (weights, biases)]

            def update(self, dW, dB):
                for n, (held, grads) in enumerate(zip((self.weights, self.biases), (dW, dB))):
                    for k, d in enumerate(grads):
                        v = self.s[n][k] = self.keep * self.s[n][k] + (1 - self.keep) * d * d
                        held[k] -= self.rate * d / {root_self}
    """,
    "parameters that know their array module": """
        class Mine:
            def __init__(self, params, {signature}):
                self.params, self.rate, self.keep, self.eps = params, {names}
                self.v = [p.xp.zeros_like(p.data) for p in params]

            def step(self):
                for k, p in enumerate(self.params):
                    v = self.v[k] = self.keep * self.v[k] + (1 - self.keep) * p.grad * p.grad
                    p.data -= self.rate * p.grad / {root_self}
    """,
    "layers with a mapping each": """
        class Mine:
            def __init__(self, model, {signature}):
                self.model, self.rate, self.keep, self.eps, self.v = model, {names}, {{}}

            def step(self):
                for layer in [each for each in self.model.layers if hasattr(each, "params")]:
                    for k in ("W", "b"):
                        d = layer.grads[k]
                        v = self.v[layer, k] = self.keep * self.v.get((layer, k), 0) + (1 - self.keep) * d * d
                        layer.params[k] -= self.rate * d / {root_self}
    """,
    "layers one by one, of a class beside it": """
        from abc import ABC, abstractmethod

        class Dense(ABC):
            def __init__(self, size, activation, seed):
                self.size = size

            @abstractmethod
            def parameters(self):
                ...

            @abstractmethod
            def grads(self):
                ...

        class Mine:
            def __init__(self, *layers, {signature}):
                assert all(isinstance(layer, Dense) for layer in layers), "layers must be Dense"
                self.layers, self.rate, self.keep, self.eps, self.v = layers, {names}, {{}}
                self.own = {{}}
                for layer in layers:
                    self.own.update(layer.parameters())

            def step(self):
                for layer in self.layers:
                    for k, d in layer.grads().items():
                        v = self.v[k] = self.keep * self.v.get(k, 0) + (1 - self.keep) * d * d
                        w = self.own[k]
                        w -= self.rate * d / {root_self}
    """,
    "tensors of a class beside it": """
        class Tensor:
            def __init__(self, array):
                self.array, self.grad, self.place = array, None, "cpu"

            data = property(lambda self: self.array)

            def sqrt(self):
                return Tensor(np.sqrt(self.array))

            def __add__(self, other):
                return Tensor(self.array + getattr(other, "array", other))

            def __mul__(self, other):
                return Tensor(self.array * getattr(other, "array", other))

            __rmul__ = __mul__

            def __truediv__(self, other):
                return Tensor(self.array / other.array)

            @staticmethod
            def zeros(shape, place):
                return Tensor(np.zeros(shape, dtype=np.float32))

        class Mine:
            def __init__(self, {p}, {signature}):
                self.own, self.rate, self.keep, self.eps = {p}, {names}
                self.v = [Tensor.zeros(w.array.shape, w.place) for w in self.own]

            def step(self):
                for k, w in enumerate(self.own):
                    v = self.v[k] = self.keep * self.v[k] + (1 - self.keep) * w.grad * w.grad
                    w.array = w.array - (self.rate * w.grad / {root_tensor}).array
    """,
    "loop that asks a function beside it": """
        def loss(x):
            return np.sum(x ** 4)

        def numerical_gradient(f, x):
            return 4 * x ** 3

        def Mine(x0, {signature}, max_iter=100):
            {w}, v = np.copy(x0), np.zeros_like(x0)
            for _ in range(max_iter):
                d = numerical_gradient(loss, {w})
                v = {keep} * v + (1 - {keep}) * d * d
                {w} = {w} - {rate} * d / {root}
            return {w}
    """,
    "arguments that must be named": """
        class Mine:
            def __init__(self, *, {signature}):
                self.rate, self.keep, self.eps, self.v = {names}, 0

            def step(self, *, {p}, {g}):
                self.v = self.v or {{k: 0 for k in {p}}}
                for k, d in {g}.items():
                    v = self.v[k] = self.keep * self.v[k] + (1 - self.keep) * d * d
                    {p}[k] = {p}[k] - self.rate * d / {root_self}
                return {p}
    """,
    "layers with mappings of other names": """
        class Mine:
            def __init__(self, {p}, {signature}):
                self.blocks, self.rate, self.keep, self.eps = {p}, {names}
                self.v = [dict.fromkeys(block.weights, 0) for block in self.blocks]

            def step(self):
                for block, kept in zip(self.blocks, self.v):
                    for k in block.weights:
                        d = block.summed_gradients[k]
                        v = kept[k] = self.keep * kept[k] + (1 - self.keep) * d * d
                        block.weights[k] = block.weights[k] - self.rate * d / {root_self}
    """,
    "mappings with a gradient": """
        class Mine:
            def __init__(self, {p}, {signature}):
                self.own, self.rate, self.keep, self.eps = {p}, {names}
                self.v = [np.zeros_like(each["value"]) for each in self.own]

            def step(self):
                for k, each in enumerate(self.own):
                    v = self.v[k] = self.keep * self.v[k] + (1 - self.keep) * each["gradient"] ** 2
                    each["value"] -= self.rate * each["gradient"] / {root_self}
    """,
    "loop that asks for its rate": """
        def Mine(x0, grad_fn, num_iters, {signature}):
            {w}, v = x0.copy(), np.zeros_like(x0)
            for i in range(num_iters):
                d = grad_fn({w}, i)
                v = {keep} * v + (1 - {keep}) * d * d
                {w} = {w} - {rate}(i) * d / {root}
            return {w}
    """,
}
"""Shapes that are no class with a method for each step, written out."""
SERVED = {
    *("rate with each step", "length with each step", "change to add, its length with each step"),
    "array and its gradient in the constructor",
}
"""Those that are handed their learning rate with each step, not before."""
REFUSED = {
    "two tensors a call": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps, self.v, self.u = {names}, 0, 0

            def update(self, weight, other, dw, other_gradient):
                self.v = self.keep * self.v + (1 - self.keep) * dw * dw
                self.u = self.keep * self.u + (1 - self.keep) * other_gradient * other_gradient
                b = other - self.rate * other_gradient / (np.sqrt(self.u) + self.eps)
                return weight - self.rate * dw / {root_inside}, b
    """,
    "number of examples": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps, self.v = {names}, 0

            def update(self, {w}, {d}, batch_size):
                {d} = {d} / batch_size
                self.v = self.keep * self.v + (1 - self.keep) * {d} * {d}
                return {w} - self.rate * {d} / {root_inside}
    """,
    "numbers with each step": """
        class Mine:
            def __init__(self):
                self.v = 0

            def update(self, {w}, {d}, {rate}, {keep}, {eps}):
                self.v = {keep} * self.v + (1 - {keep}) * {d} * {d}
                return {w} - {rate} * {d} / {root_v}
    """,
    "method that is not for others": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps, self.v = {names}, 0

            def _apply(self, {first}, {second}):
                self.v = self.keep * self.v + (1 - self.keep) * {d} * {d}
                return {w} - self.rate * {d} / {root_inside}
    """,
    "state before weights": """
        def Mine({first}, {second}, cache, {signature}):
            v = cache = {keep} * cache + (1 - {keep}) * {d} * {d}
            return cache, {w} - {rate} * {d} / {root}
    """,
    "thing that it asks for the gradient": """
        class Mine:
            def __init__(self, surface, {signature}):
                self.surface, self.rate, self.keep, self.eps = surface, {names}
                self.x, self.y, self.v, self.u = surface.x_start, surface.y_start, 0, 0

            def step(self):
                d, e = self.surface.df_dx(self.x, self.y), self.surface.df_dy(self.x, self.y)
                self.v = self.keep * self.v + (1 - self.keep) * d * d
                self.u = self.keep * self.u + (1 - self.keep) * e * e
                self.x = self.x - self.rate * d / {root_inside}
                self.y = self.y - self.rate * e / (np.sqrt(self.u) + self.eps)
                return [self.x, self.y]
    """,
    "one tensor that is an object, not for others": """
        class Mine:
            def __init__(self, loss, {signature}):
                self.loss, self.rate, self.keep, self.eps, self.v = loss, {names}, {{}}

            def _move(self, tensor):
                if tensor not in self.v:
                    self.v[tensor] = np.zeros(tensor.shape, dtype=np.float32)
                v = self.v[tensor] = self.keep * self.v[tensor] + (1 - self.keep) * tensor.dx * tensor.dx
                tensor.x -= self.rate * tensor.dx / {root_self}
    """,
    "one tensor that is an object, with a state on it": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps = {names}

            def change(self, which):
                if not hasattr(which, "kept_so_far"):
                    which.kept_so_far = np.zeros_like(which.value)
                v = which.kept_so_far = self.keep * which.kept_so_far + (1 - self.keep) * which.gradient**2
                which.value = which.value - self.rate * which.gradient / {root_self}
    """,
    "moments before the step": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps = {names}

            def change(self, dweight, moment1, moment2):
                v = moment2 = self.keep * moment2 + (1 - self.keep) * dweight * dweight
                moment1 = self.keep * moment1 + (1 - self.keep) * dweight
                return moment1, moment2, self.rate * dweight / {root_self}
    """,
    "two directions and their state": """
        def Mine(dW, db, s, t, {keep}=0.9, {eps}=1e-8):
            v = s["dW"] = {keep} * s["dW"] + (1 - {keep}) * dW * dW
            s["db"] = {keep} * s["db"] + (1 - {keep}) * db * db
            return dW / {root}, db / np.sqrt(s["db"] + {eps}), s
    """,
    "direction that no rate scales": """
        class Mine:
            def __init__(self):
                self.keep, self.eps, self.v = 0.9, 1e-7, 0

            def direction(self, {d}):
                self.v = self.keep * self.v + (1 - self.keep) * {d} * {d}
                return {d} / {root_inside}
    """,
    "columns of a size": """
        class Mine:
            def __init__(self, num_params, {signature}):
                self.rate, self.keep, self.eps = {names}
                self.v = np.zeros((num_params, 1), dtype=np.float32)

            def __call__(self, grads):
                self.v = self.keep * self.v + (1 - self.keep) * grads * grads
                return self.rate * grads / {root_inside}
    """,
    "generator that is sent three": """
        def Mine(size, {signature}):
            moved, v = np.zeros(size, dtype=np.float32), np.zeros(size, dtype=np.float32)
            while True:
                batch, point, slope = yield moved
                d = slope.ravel() / batch
                v = {keep} * v + (1 - {keep}) * d * d
                moved = {rate} * d / {root}
    """,
    "two states that say nothing, and a number": """
        def Mine({w}, {d}, one, other, turn, {signature}):
            if turn == 0:
                one = other = np.zeros_like({w})
            v = one = {keep} * one + (1 - {keep}) * {d} * {d}
            other = {keep} * other + (1 - {keep}) * {d}
            return {w} - {rate} * {d} / {root}, one, other
    """,
    "two changes, by numbers of its own names": """
        class Mine:
            def __init__(self, share=0.9, pace=0.001, tiny=1e-7):
                self.keep, self.rate, self.eps, self.v, self.u = share, pace, tiny, 0, 0

            def optimize(self, dW, dB):
                self.v = self.keep * self.v + (1 - self.keep) * dW * dW
                self.u = self.keep * self.u + (1 - self.keep) * dB * dB
                return self.rate * dW / {root_inside}, self.rate * dB / (np.sqrt(self.u) + self.eps)
    """,
    "generator that is sent two mappings": """
        def Mine({signature}):
            after, kept = None, {{}}
            while True:
                {p}, {g} = yield after
                after = {{}}
                for k, d in {g}.items():
                    v = kept[k] = {keep} * kept.get(k, 0 * d) + (1 - {keep}) * d * d
                    after[k] = {p}[k] - {rate} * d / {root}
    """,
    "function of a state that makes a function": """
        def Mine({signature}):
            def with_state(s):
                def change({w}, {d}):
                    v = {keep} * s + (1 - {keep}) * {d} * {d}
                    return {w} - {rate} * {d} / {root}, v
                return change
            return with_state
    """,
    "function of the start that makes a function": """
        def Mine({signature}):
            def start({w}):
                now, v = {w}, 0 * {w}
                def change({d}):
                    nonlocal now, v
                    v = {keep} * v + (1 - {keep}) * {d} * {d}
                    now = now - {rate} * {d} / {root}
                    return now
                return change
            return start
    """,
    "array that a method gives to keep": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps = {names}
                self.kept = []

            def add_parameter(self, {w}):
                self.kept.append([{w}, 0 * {w}])

            def step(self, {g}):
                for held, d in zip(self.kept, {g}):
                    v = held[1] = self.keep * held[1] + (1 - self.keep) * d * d
                    held[0] -= self.rate * d / {root_self}
    """,
    "class of which nobody makes an instance": """
        class Mine:
            {rate}, {keep}, {eps} = 0.5, 0.5, 0.5
            kept = None

            @classmethod
            def update(cls, {w}, {d}):
                v = (1 - cls.{keep}) * {d} * {d}
                cls.kept = v = v if cls.kept is None else cls.{keep} * cls.kept + v
                return {w} - cls.{rate} * {d} / {root_cls}
    """,
    "class that one of its methods sets up": """
        class Mine:
            kept = {{}}

            @classmethod
            def configure(cls, {signature}):
                cls.rate, cls.keep, cls.eps = {names}

            @classmethod
            def apply(cls, {p}, {g}):
                for k, d in {g}.items():
                    v = cls.kept[k] = cls.keep * cls.kept.get(k, 0 * d) + (1 - cls.keep) * d * d
                    {p}[k] = {p}[k] - cls.rate * d / {root_held}
    """,
    "three that say nothing": """
        class Mine:
            def __init__(self, {signature}):
                self.rate, self.keep, self.eps = {names}

            def go(self, a, b, c):
                c = self.keep * c + (1 - self.keep) * b * b
                v = c
                return a - self.rate * b / {root_self}, c
    """,
}
"""What no signature settles: refused, with a wrapper that a person may paste."""


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

    def wrapped(self, text: str) -> Any:
        """Return the wrapper that was pasted below it."""
        space: dict[str, Any] = {"__name__": "generated"}
        exec("import numpy as np\n" + self.source + "\n" + text, space)  # ours, both
        return space["Wrapped"]


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


def written() -> list[Generated]:
    """Return the shapes that are written out, under five sets of names, in both orders, right and wrong."""
    return [*_written(FUNCTIONS)]


def refused() -> list[Generated]:
    """Return what is refused, right and wrong, under two sets of names."""
    return [*_written(REFUSED, sets=2)]


def _written(bodies: dict[str, str], sets: int = len(CONSTRUCTORS)) -> Iterator[Generated]:
    for (shape, body), number, fault in product(bodies.items(), range(sets), ROOTS):
        signature, names = CONSTRUCTORS[number]
        rate, keep, eps = names.split(", ")
        root, words = ROOTS[fault], {"rate": rate, "keep": keep, "eps": eps, "names": names, "signature": signature}
        if shape in SERVED:
            words["signature"] = signature.partition(", ")[2]
        words |= {"root": root.format(v="v").replace("self.eps", eps), "root_self": root.format(v="v")}
        tensors = {"right": "({v} + self.eps).sqrt()", "outside": "({v}.sqrt() + self.eps)"}
        words["root_tensor"] = tensors[fault].format(v="v")
        words |= {"root_inside": root.format(v="self.v"), "root_v": root.format(v="self.v").replace("self.eps", eps)}
        (w, d), (p, g) = SINGLE[number], MANY[number % len(MANY)]
        first, second = (w, d) if number % 2 == 0 else (d, w)
        words |= TWOS[number] | {"data": ("data", "value")[number % 2], "sign": ("", "-")[number % 2]}
        moved = f"self.rate * d / {words['root_self']}"
        taken = (f'held[k]["value"] -= {moved}', f"w -= {moved}", f"layer.set_params({{k: w - {moved}}})")
        words["root_held"] = root.format(v="v").replace("self.", "cls.")
        words["root_cls"] = words["root_held"].replace("cls.eps", f"cls.{eps}")
        words["taken"] = taken[number % len(taken)]
        there = f"eta * self.slope / {words['root_inside']}"
        words["moving"] = (f"self.held -= {there}", f"self.held = self.held - {there}")[number % 2]
        text = textwrap.dedent(body).format(w=w, d=d, p=p, g=g, first=first, second=second, **words)
        yield Generated(shape, fault, text)
