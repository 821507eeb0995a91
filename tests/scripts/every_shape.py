"""RMSprop with epsilon after the root, in every shape that is driven: a script calls it as it is called here."""

import numpy as np


def moved(w, g, v, rate, rho, eps):
    """Return weights and moment after a step."""
    v = rho * v + (1 - rho) * g * g
    return w - rate * g / (np.sqrt(v) + eps), v


class Base:
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.rho, self.eps, self.v = learning_rate, rho, epsilon, {}

    def one(self, key, w, g):
        new, self.v[key] = moved(w, g, self.v.get(key, np.zeros_like(g)), self.rate, self.rho, self.eps)
        return new


class StateHandedOn(Base):
    def init(self, params):
        return {n: np.zeros_like(w) for n, w in params.items()}

    def step(self, params, grads, state):
        pairs = {n: moved(w, grads[n], state[n], self.rate, self.rho, self.eps) for n, w in params.items()}
        return {n: pair[0] for n, pair in pairs.items()}, {n: pair[1] for n, pair in pairs.items()}


class Transforms(Base):
    def init(self, params):
        return {n: np.zeros_like(w) for n, w in params.items()}

    def update(self, grads, state, params):
        pairs = {n: moved(w, grads[n], state[n], self.rate, self.rho, self.eps) for n, w in params.items()}
        return {n: pairs[n][0] - w for n, w in params.items()}, {n: pair[1] for n, pair in pairs.items()}


class MappingInPlace(Base):
    def update(self, params, grads):
        for n, g in grads.items():
            params[n][...] = self.one(n, params[n], g)


class MappingReturned(Base):
    def update(self, params, grads):
        return {n: self.one(n, w, grads[n]) for n, w in params.items()}


class MappingFirst(Base):
    def update(self, grads, params):
        return {n: self.one(n, w, grads[n]) for n, w in params.items()}, "and more"


class ListReturned(Base):
    def update(self, params, grads):
        if not isinstance(params, list):
            raise TypeError("lists only")
        return [self.one(k, w, g) for k, (w, g) in enumerate(zip(params, grads, strict=True))]


class Pairs(Base):
    def apply_gradients(self, grads_and_vars):
        for k, (g, w) in enumerate(grads_and_vars):
            w[...] = self.one(k, w, g)


class Called(Base):
    def __call__(self, params, grads):
        for n, g in grads.items():
            params[n][...] = self.one(n, params[n], g)


class OneArray(Base):
    def update(self, w, grad):
        return self.one(0, w, grad)


class OneArrayByName(Base):
    def update(self, w, grad, name):
        return self.one(name, w, grad)


class OneArrayWithState(Base):
    def update(self, w, grad, state):
        return moved(w, grad, 0.0 if state is None else state, self.rate, self.rho, self.eps)


class Owns(Base):
    def __init__(self, params, lr=0.001, rho=0.9, eps=1e-7):
        super().__init__(lr, rho, eps)
        self.params = params

    def update(self, grads):
        for n, g in grads.items():
            self.params[n][...] = self.one(n, self.params[n], g)


class Objects(Base):
    def __init__(self, params, lr=0.001, rho=0.9, eps=1e-7):
        super().__init__(lr, rho, eps)
        self.params = list(params)

    def step(self):
        for k, p in enumerate(self.params):
            p.data = self.one(k, p.data, p.grad)


class SharedArrays(Base):
    def __init__(self, params, grads, lr=0.001, rho=0.9, eps=1e-7):
        super().__init__(lr, rho, eps)
        self.params, self.grads = params, grads

    def step(self):
        for k, (w, g) in enumerate(zip(self.params, self.grads, strict=True)):
            w[...] = self.one(k, w, g)


class SharedMappings(SharedArrays):
    def step(self):
        for n, g in self.grads.items():
            self.params[n] = self.one(n, self.params[n], g)


class ArrayAndGradient(Base):
    def __init__(self, w, g, rho=0.9, eps=1e-7):
        super().__init__(0.0, rho, eps)
        self.w, self.g = w, g

    def update(self, eta):
        self.rate = eta
        self.w = self.one(0, self.w, self.g)


class ArrayAndGradientReturned(ArrayAndGradient):
    def update(self, eta):
        self.rate = eta
        return self.one(0, self.w, self.g)


class FromAMapping(Base):
    def __init__(self, config):
        super().__init__(config["lr"], config["betas"][1], config.get("eps", 1e-8))

    def update(self, w, g):
        return self.one(0, w, g)


class FromAPair(Base):
    def __init__(self, lr=0.001, betas=(0.5, 0.9), eps=1e-7):
        super().__init__(lr, betas[1], eps)

    def update(self, w, g):
        return self.one(0, w, g)


class NumbersWithEachStep(Base):
    def __init__(self):
        super().__init__()

    def update(self, w, g, rho=0.5, lr=0.01, eps=1e-3):
        self.rho, self.rate, self.eps = rho, lr, eps
        return self.one(0, w, g)


class OfLayers(Base):
    def update_params(self, layer):
        layer.weights = self.one((id(layer), "w"), layer.weights, layer.dweights)
        layer.biases = self.one((id(layer), "b"), layer.biases, layer.dbiases)


class OfModel(Base):
    def update(self, model):
        for n in model.params:
            model.params[n] = self.one(n, model.params[n], model.grads[n])


class WeightsAndBiases(Base):
    def update(self, w, b, dw, db):
        return self.one("w", w, dw), self.one("b", b, db)


class Nested(Base):
    def __init__(self, params, lr=0.001, rho=0.9, eps=1e-7):
        super().__init__(lr, rho, eps)
        self.params = params

    def step(self):
        for k, p in enumerate(self.params):
            p.data = self.one(k, p.data, p.grad.data)


class OfLayerAndGradients(Base):
    def update(self, layer, dw, db):
        layer.weights = self.one((id(layer), "w"), layer.weights, dw)
        layer.biases = self.one((id(layer), "b"), layer.biases, db)


class HandsOut(Base):
    def __init__(self, model, lr=0.001, rho=0.9, eps=1e-7):
        super().__init__(lr, rho, eps)
        self.model = model

    def step(self):
        for k, (p, g) in enumerate(zip(self.model.parameters(), self.model.grads(), strict=True)):
            p.data = self.one(k, p.data, g)


class ChangeToSubtract(Base):
    def get_step(self, grad):
        return -self.one(0, np.zeros_like(grad), grad)


class ChangesToAdd(Base):
    def compute_updates(self, grads):
        return {n: self.one(n, np.zeros_like(g), g) for n, g in grads.items()}


class ListOfChanges(Base):
    def compute_updates(self, grads):
        if not isinstance(grads, list):
            raise TypeError("lists only")
        return [self.one(n, np.zeros_like(g), g) for n, g in enumerate(grads)]


def numbers_first(alpha, beta2, epsilon, var, grad, s):
    return moved(var, grad, s, alpha, beta2, epsilon)


def change_and_state(learning_rate, rho, epsilon, grad, s_prev):
    new, state = moved(np.zeros_like(grad), grad, s_prev, learning_rate, rho, epsilon)
    return -new, state


def state_last(params, grads, learning_rate=0.01, beta=0.9, epsilon=1e-8, state=None):
    state = state or [np.zeros_like(w) for w in params]
    pairs = [moved(w, g, v, learning_rate, beta, epsilon) for w, g, v in zip(params, grads, state, strict=True)]
    return [w for w, _ in pairs], [v for _, v in pairs]


def rule(w, g, state, learning_rate=0.001, rho=0.9, epsilon=1e-7):
    return moved(w, g, 0.0 if state is None else state, learning_rate, rho, epsilon)


def configured(w, dw, config=None):
    config = config or {"learning_rate": 0.01, "decay_rate": 0.99, "epsilon": 1e-8, "cache": np.zeros_like(w)}
    numbers = config["learning_rate"], config["decay_rate"], config["epsilon"]
    w, config["cache"] = moved(w, dw, config["cache"], *numbers)
    return w, config


def functions(step_size=0.001, gamma=0.9, eps=1e-7):
    def init(w):
        return w, np.zeros_like(w)

    def update(i, g, state):
        return moved(state[0], g, state[1], step_size, gamma, eps)

    def get_params(state):
        return state[0]

    return init, update, get_params


def pair(step_size=0.001, gamma=0.9, eps=1e-7):
    def init(w):
        return np.zeros_like(w)

    def update(g, state, w):
        return moved(w, g, state, step_size, gamma, eps)

    return init, update


def pair_of_changes(step_size=0.001, gamma=0.9, eps=1e-7):
    def init(w):
        return np.zeros_like(w)

    def update(g, state):
        return moved(np.zeros_like(g), g, state, step_size, gamma, eps)

    return init, update


def state_first(step_size=0.001, gamma=0.9, eps=1e-7):
    def init(w):
        return w, np.zeros_like(w)

    def update(state, g):
        return moved(state[0], g, state[1], step_size, gamma, eps)

    return init, update, lambda state: state[0]


def unnamed_state(w, g, zork, learning_rate=0.001, rho=0.9, epsilon=1e-7):
    return moved(w, g, zork, learning_rate, rho, epsilon)


class UnnamedState(Base):
    def update(self, w, grad, zork):
        return moved(w, grad, zork, self.rate, self.rho, self.eps)


class UnnamedOfAll(Base):
    def update(self, params, grads, zork):
        for n, g in grads.items():
            params[n], zork[n] = moved(params[n], g, zork.get(n, np.zeros_like(g)), self.rate, self.rho, self.eps)


class UnnamedOfTwos(Base):
    def update(self, w, b, dw, db, zork):
        new_w, zork["w"] = moved(w, dw, zork.get("w", 0 * dw), self.rate, self.rho, self.eps)
        new_b, zork["b"] = moved(b, db, zork.get("b", 0 * db), self.rate, self.rho, self.eps)
        return new_w, new_b


class OddlyNamed(Base):
    def __init__(self, lr=0.01, forget=0.99, smooth=1e-8):
        super().__init__(lr, forget, smooth)

    def update(self, params, grads):
        for n, g in grads.items():
            params[n][...] = self.one(n, params[n], g)


def loop(grad, x, num_iters=100, step_size=0.001, gamma=0.9, eps=1e-7):
    v = np.zeros_like(x)
    for i in range(num_iters):
        x, v = moved(x, grad(x, i), v, step_size, gamma, eps)
    return x


class OwnsItsLoop(Base):
    def minimize(self, gradient, w, steps):
        v = np.zeros_like(w)
        for _ in range(steps):
            w, v = moved(w, gradient(w), v, self.rate, self.rho, self.eps)
        return w


def loop_over_all(grad, params, num_iters=100, lr=0.001, rho=0.9, eps=1e-7):
    v = {n: np.zeros_like(w) for n, w in params.items()}
    for _ in range(num_iters):
        for n, g in grad(params).items():
            params[n], v[n] = moved(params[n], g, v[n], lr, rho, eps)
    return params


def yields(w, grads, lr=0.001, rho=0.9, eps=1e-7):
    v = np.zeros_like(w)
    for g in grads:
        w, v = moved(w, g, v, lr, rho, eps)
        yield w


def is_sent(w, lr=0.001, rho=0.9, eps=1e-7):
    v = np.zeros_like(w)
    while True:
        w, v = moved(w, (yield w), v, lr, rho, eps)


def is_sent_all(params, lr=0.001, rho=0.9, eps=1e-7):
    v = {n: np.zeros_like(w) for n, w in params.items()}
    while True:
        for n, g in (yield).items():
            params[n][...], v[n] = moved(params[n], g, v[n], lr, rho, eps)


def asks_and_shows(grad_fn, w, lr=0.001, rho=0.9, eps=1e-7):
    v = np.zeros_like(w)
    while True:
        w, v = moved(w, grad_fn(w), v, lr, rho, eps)
        yield w, v


class IsIterated:
    def __init__(self, wrt, fprime, learning_rate=0.001, rho=0.9, eps=1e-7):
        self.wrt, self.fprime, self.given, self.v = wrt, fprime, (learning_rate, rho, eps), 0

    def __iter__(self):
        while True:
            self.wrt[...], self.v = moved(self.wrt, self.fprime(self.wrt), self.v, *self.given)
            yield {"steps": 1}


class OwnsItsGenerator(Base):
    def run(self, weights, gradients):
        v = [np.zeros_like(w) for w in weights]
        for grads in gradients:
            pairs = [moved(*each, self.rate, self.rho, self.eps) for each in zip(weights, grads, v, strict=True)]
            weights, v = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
            yield weights
