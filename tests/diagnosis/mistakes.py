"""Mistakes of public code, a few lines each, in the style of a tutorial."""

import numpy as np


class Plain:
    """RMSprop as tutorials write it, a method for each thing that can go wrong."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.rho, self.epsilon = learning_rate, rho, epsilon
        self.moments, self.count = {}, 0

    def update(self, params, grads):
        self.count += 1
        for name, g in grads.items():
            g = self.seen(g)
            v = self.moments[name] = self.moment(self.moments.get(name, self.first(g)), g)
            params[name] += self.sign() * self.now() * g / self.root(v)

    def seen(self, g):
        return g

    def first(self, g):
        return np.zeros_like(g)

    def moment(self, v, g):
        return self.rho * v + (1 - self.rho) * (g * g)

    def root(self, v):
        return np.sqrt(v + self.epsilon)

    def now(self):
        return self.rate

    def sign(self):
        return -1


class Climbs(Plain):
    def sign(self):
        return 1


class Doubles(Plain):
    def moment(self, v, g):
        v = v + super().moment(v, g)
        return v


class Adds(Plain):
    def moment(self, v, g):
        return v + g * g


class OfTensor(Plain):
    def moment(self, v, g):
        return self.rho * v + (1 - self.rho) * np.sum(g * g)


class StartsAtSquare(Plain):
    def first(self, g):
        return g * g


class Floors(Plain):
    def root(self, v):
        return np.maximum(np.sqrt(v), np.float32(self.epsilon))


class Clips(Plain):
    def seen(self, g):
        return np.clip(g, -2, 2)


class Fades(Plain):
    def now(self):
        return self.rate / (1 + 1e-3 * (self.count - 1))


class Deaf(Plain):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        super().__init__(learning_rate, 0.9, epsilon)


class KeepsItsRate(Plain):
    """Epsilon after the root, and the rate that tf.keras has if it is given none."""

    def now(self):
        return 0.001

    def root(self, v):
        return np.sqrt(v) + self.epsilon


class UncorrectedKeepsItsRate:
    """Adam's two moments without a correction, and the rate that tf.keras has if it is given none."""

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.first, self.second = {}, {}

    def update(self, params, grads):
        for name, g in grads.items():
            m = self.first[name] = self.beta_1 * self.first.get(name, 0 * g) + (1 - self.beta_1) * g
            v = self.second[name] = self.beta_2 * self.second.get(name, 0 * g) + (1 - self.beta_2) * g * g
            params[name] -= 0.001 * m / (np.sqrt(v) + self.epsilon)


class DeafToClipping(Plain):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, clipnorm=None, loss_scale_factor=None, momentum=0.0):
        super().__init__(learning_rate, rho, epsilon)


class ClipsAtATenth(Plain):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, clipvalue=None):
        super().__init__(learning_rate, rho, epsilon)
        self.limit = np.inf if clipvalue is None else self.limited(clipvalue)

    def limited(self, limit):
        return limit / 10

    def seen(self, g):
        return np.clip(g, -self.limit, self.limit)


class ClipsTooEarly(ClipsAtATenth):
    def limited(self, limit):
        return limit / 7


class Compounds(Plain):
    def now(self):
        return self.rate * 0.99 ** (self.count - 1)


class KeepsItsDecay(Plain):
    """The rate that has decayed is what decays at the next step."""

    def update(self, params, grads):
        self.rate = self.rate / (1 + 1e-2 * self.count)
        super().update(params, grads)


class LimitsWeights(Plain):
    """As the critic of a Wasserstein network."""

    def update(self, params, grads):
        super().update(params, grads)
        for w in params.values():
            np.clip(w, -0.01, 0.01, out=w)


class LimitsColumns(Plain):
    def update(self, params, grads):
        super().update(params, grads)
        for w in (each for each in params.values() if each.ndim == 2):
            w *= np.minimum(1, 0.5 / np.sqrt(np.sum(w * w, axis=0)))


class RateForRho(Plain):
    def moment(self, v, g):
        return self.rate * v + (1 - self.rate) * (g * g)


class KeepsCorrected(Plain):
    def moment(self, v, g):
        return super().moment(v, g) / (1 - self.rho**self.count)

    def root(self, v):
        return np.sqrt(v + self.epsilon)


class Magnitudes(Plain):
    def moment(self, v, g):
        return self.rho * v + (1 - self.rho) * np.abs(g)


class SharesByShape(Plain):
    def update(self, params, grads):
        for name, g in grads.items():
            v = self.moments[g.shape] = self.moment(self.moments.get(g.shape, self.first(g)), g)
            params[name] -= self.rate * g / self.root(v)


class Wide(Plain):
    def first(self, g):
        return np.zeros(np.shape(g))

    def update(self, params, grads):
        for name, g in grads.items():
            v = self.moments[name] = self.moment(self.moments.get(name, self.first(g)), g)
            params[name] = params[name] - self.rate * g / self.root(v)


class HeldInFloat32(Plain):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        super().__init__(learning_rate, np.float32(rho), np.float32(epsilon))


class EpsilonInFloat32(Plain):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        super().__init__(learning_rate, rho, np.float32(epsilon))


class MomentumInFloat32(Plain):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, momentum=0.0):
        super().__init__(learning_rate, rho, epsilon)
        self.momentum, self.buffers = np.float32(momentum), {}

    def update(self, params, grads):
        for name, g in grads.items():
            v = self.moments[name] = self.moment(self.moments.get(name, self.first(g)), g)
            b = self.momentum * self.buffers.get(name, np.zeros_like(g)) + self.rate * g / self.root(v)
            params[name] -= b
            self.buffers[name] = b


class KeepsEpsilon(Plain):
    def moment(self, v, g):
        return super().moment(v, g) + self.epsilon

    def root(self, v):
        return np.sqrt(v)


class StartsSmall(Plain):
    def first(self, g):
        return np.full_like(g, 1e-8)

    def root(self, v):
        return np.sqrt(v)


class HalvesDecay(Plain):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, weight_decay=0.0):
        super().__init__(learning_rate, rho, epsilon)
        self.penalty = weight_decay / 2

    def update(self, params, grads):
        for w in params.values():
            w -= self.penalty * w
        super().update(params, grads)


class DecaysAfter(HalvesDecay):
    def update(self, params, grads):
        Plain.update(self, params, grads)
        for w in params.values():
            w -= self.rate * 2 * self.penalty * w


class ClipsTheDecayToo(Plain):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, weight_decay=0.0, clipvalue=None):
        super().__init__(learning_rate, rho, epsilon)
        self.decay, self.limit = weight_decay, np.inf if clipvalue is None else clipvalue

    def update(self, params, grads):
        decayed = {name: g + self.decay * params[name] for name, g in grads.items()}
        super().update(params, decayed)

    def seen(self, g):
        return np.clip(g, -self.limit, self.limit)


class Buffered(Plain):
    """With a momentum buffer, a method for each thing that can go wrong."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, momentum=0.0):
        super().__init__(learning_rate, rho, epsilon)
        self.momentum, self.buffers = momentum, {}

    def update(self, params, grads):
        for name, g in grads.items():
            v = self.moments[name] = self.moment(self.moments.get(name, self.first(g)), g)
            params[name] -= self.move(name, g, self.root(v))

    def buffer(self, name, new):
        self.buffers[name] = self.momentum * self.buffers.get(name, 0 * new) + new
        return self.buffers[name]


class DampensTheBuffer(Buffered):
    def move(self, name, g, root):
        return self.buffer(name, (1 - self.momentum) * self.rate * g / root)


class BuffersGradients(Buffered):
    def move(self, name, g, root):
        return self.rate * self.buffer(name, g) / root


class DecaysByDefault(HalvesDecay):
    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, weight_decay=0.01):
        super().__init__(learning_rate, rho, epsilon, 2 * weight_decay)


class WideWithItsOwnEpsilon(Wide):
    def __init__(self, learning_rate=0.001, rho=0.9):
        super().__init__(learning_rate, rho, 1e-8)

    def root(self, v):
        return np.sqrt(v) + self.epsilon


class NeedsAxes(Plain):
    def moment(self, v, g):
        v = v.copy()
        v[:] = super().moment(v, g)
        return v

    def root(self, v):
        return np.sqrt(v) + self.epsilon


class LooksAhead(Plain):
    """Moments from one, an epsilon of its own, and momentum taken before the gradient."""

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0):
        super().__init__(learning_rate, rho, 1e-8)
        self.momentum, self.steps = momentum, {}

    def first(self, g):
        return np.ones_like(g)

    def update(self, params, grads):
        for name, g in grads.items():
            ahead = self.momentum * self.steps.get(name, np.zeros_like(g))
            v = self.moments[name] = self.moment(self.moments.get(name, self.first(g)), g)
            own = self.rate * g / self.root(v)
            params[name] = params[name] - ahead - own
            self.steps[name] = ahead + own


class TwoMoments:
    """Adam as tutorials write it, a method for each thing that can go wrong."""

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.rate, self.beta_1, self.beta_2, self.epsilon = learning_rate, beta_1, beta_2, epsilon
        self.first, self.second, self.count = {}, {}, 0

    def update(self, params, grads):
        self.count += 1
        for name, g in grads.items():
            m = self.first[name] = self.beta_1 * self.first.get(name, 0 * g) + (1 - self.beta_1) * g
            v = self.second[name] = self.moment(self.second.get(name, 0 * g), g)
            params[name] -= self.step(m, v)

    def moment(self, v, g):
        return self.beta_2 * v + (1 - self.beta_2) * g * g

    def step(self, m, v):
        m, v = m / (1 - self.beta_1**self.count), v / (1 - self.beta_2**self.count)
        return self.rate * m / (np.sqrt(v) + self.epsilon)


class CorrectsTwice(TwoMoments):
    """The first beta in both moments, the rate corrected like the moments, and epsilon with the wrong sign."""

    def moment(self, v, g):
        return self.beta_1 * v + (1 - self.beta_2) * g * g

    def step(self, m, v):
        rate = self.rate * np.sqrt(1 - self.beta_2**self.count) / (1 - self.beta_1**self.count)
        m, v = m / (1 - self.beta_1**self.count), v / (1 - self.beta_2**self.count)
        return float(rate) * m / (np.sqrt(v) - self.epsilon)


class CorrectsBySquare(TwoMoments):
    """No root, and a two where the number of the step belongs."""

    def step(self, m, v):
        m, v = m / (1 - self.beta_1**self.count), v / (1 - self.beta_2**2)
        return self.rate * m / (v + self.epsilon)


def keeps_corrected(w, g, config):
    """Read its numbers from a mapping that must be given, and keep there what it has corrected."""
    rate, keep, eps = config.get("lr", 0.01), config.get("beta_1", 0.9), config.get("eps", 1e-6)
    wide = config.get("beta_2", 0.999)
    config["m"] = (keep * config.get("m", np.zeros_like(w)) + (1 - keep) * g) / (1 - keep)
    config["v"] = (wide * config.get("v", np.zeros_like(w)) + (1 - wide) * g * g) / (1 - wide)
    return w - rate * config["m"] / (np.sqrt(config["v"]) + eps)


def weighs_the_first(derivative, w0, rate, steps, gamma=0.001):
    """A mean of gradients that starts with the share of the old one."""
    w, mean = w0, None
    for _ in range(steps):
        g = derivative(w)
        mean = gamma * g if mean is None else (1 - gamma) * g + gamma * mean
        w = w - rate * mean
    return w


class CountsLayers:
    """One count for all layers, which moves on with each of them."""

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.rate, self.beta_1, self.beta_2, self.epsilon = learning_rate, beta_1, beta_2, epsilon
        self.kept, self.count = {}, 0

    def update_params(self, layer):
        self.count += 1
        layer.weights = layer.weights - self._step((layer, "w"), layer.dweights)
        layer.biases = layer.biases - self._step((layer, "b"), layer.dbiases)

    def _step(self, key, g):
        m, v = self.kept.get(key, (0 * g, 0 * g))
        m, v = self.beta_1 * m + (1 - self.beta_1) * g, self.beta_2 * v + (1 - self.beta_2) * g * g
        self.kept[key] = m, v
        m, v = m / (1 - self.beta_1**self.count), v / (1 - self.beta_2**self.count)
        return self.rate * m / (np.sqrt(v) + self.epsilon)


class CountsTensors(TwoMoments):
    """The count moves on inside the loop over the tensors."""

    def update(self, params, grads):
        for name in params:
            super().update(params, {name: grads[name]})


class ForgetsTheSquare(CountsLayers):
    """The bias' second moment is one of gradients."""

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        super().__init__(learning_rate, beta_1, beta_2, epsilon)
        self.counts = {}

    def update_params(self, layer):
        self.count = self.counts[layer] = self.counts.get(layer, 0) + 1
        layer.weights = layer.weights - self._step((layer, "w"), layer.dweights)
        m, v = self.kept.get((layer, "b"), (0 * layer.dbiases, 0 * layer.dbiases))
        m, v = self.beta_1 * m + (1 - self.beta_1) * layer.dbiases, self.beta_2 * v + (1 - self.beta_2) * layer.dbiases
        self.kept[layer, "b"] = m, v
        m, v = m / (1 - self.beta_1**self.count), v / (1 - self.beta_2**self.count)
        layer.biases = layer.biases - self.rate * m / (np.sqrt(v) + self.epsilon)


class SharesItsBuffer:
    """Descent with a momentum that tensors of one shape share, and without a case of two such that it can run."""

    def __init__(self, learning_rate=0.01, momentum=0.9):
        self.rate, self.momentum, self.buffers = learning_rate, momentum, {}

    def update(self, params, grads):
        for name, g in grads.items():
            b = self.buffers[g.shape] = self.momentum * self.buffers.get(g.shape, 0 * g) - self.rate * g
            params[name] = params[name] + b
