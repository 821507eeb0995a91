"""The same rule in the words of many authors; none of them is wrong."""

import numpy as np


class Plain:
    """What the others vary: methods ``moment``, ``increment`` and ``moved``, each for one tensor."""

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7):
        self.learning_rate, self.rho, self.momentum, self.epsilon = learning_rate, rho, momentum, epsilon

    def init(self, params):
        def zeros():
            return {name: np.zeros_like(w) for name, w in params.items()}

        return {"calls": 0, "second_moment": zeros(), "momentum_buffer": zeros()}

    def step(self, params, grads, state):
        rate = self.learning_rate(state["calls"]) if callable(self.learning_rate) else self.learning_rate
        new_params, second, buffers = {}, {}, {}
        for name, w in params.items():
            second[name] = v = self.moment(state["second_moment"][name], grads[name])
            u = self.increment(grads[name], v, rate)
            buffers[name] = b = self.moved(state["momentum_buffer"][name], u)
            new_params[name] = w - b
        return new_params, {"calls": state["calls"] + 1, "second_moment": second, "momentum_buffer": buffers}

    def slots(self, state):
        shown = {"second_moment": state["second_moment"]}
        return {**shown, "momentum_buffer": state["momentum_buffer"]} if self.momentum else shown

    def moment(self, v, g):
        return self.rho * v + (1 - self.rho) * g**2

    def increment(self, g, v, rate):
        return rate * g / np.sqrt(v + self.epsilon)

    def moved(self, b, u):
        return self.momentum * b + u


class Lerp(Plain):
    def moment(self, v, g):
        return v + (g * g - v) * (1 - self.rho)


class LerpBackwards(Plain):
    def moment(self, v, g):
        return v - (1 - self.rho) * (v - np.square(g))


class InPlace(Plain):
    def moment(self, v, g):
        v *= self.rho
        v += (1 - self.rho) * g * g
        return v

    def step(self, params, grads, state):
        state["second_moment"] = {name: v.copy() for name, v in state["second_moment"].items()}
        return super().step(params, grads, state)


class Reciprocal(Plain):
    def increment(self, g, v, rate):
        return (1 / np.sqrt(v + self.epsilon)) * g * rate


class NegativePower(Plain):
    def increment(self, g, v, rate):
        return rate * np.sqrt(v + self.epsilon) ** -1 * g


class HalfPower(Plain):
    def increment(self, g, v, rate):
        return rate * g / np.power(v + self.epsilon, 0.5)


class ReciprocalHalfPower(Plain):
    def increment(self, g, v, rate):
        return rate * g * (v + self.epsilon) ** -0.5


class RateOverRoot(Plain):
    def increment(self, g, v, rate):
        return (rate / np.sqrt(v + self.epsilon)) * g


class RateLast(Plain):
    def increment(self, g, v, rate):
        return g / np.sqrt(v + self.epsilon) * rate


class RootOverRate(Plain):
    def increment(self, g, v, rate):
        return g / (np.sqrt(v + self.epsilon) / rate) if rate else 0 * g


class AddsNegatedBuffer(Plain):
    """Adds a buffer of negative increments to the weights, and shows it with the convention's sign."""

    def step(self, params, grads, state):
        kept = {**state, "momentum_buffer": {n: -b for n, b in state["momentum_buffer"].items()}}
        new, kept = super().step({n: -w for n, w in params.items()}, {n: -g for n, g in grads.items()}, kept)
        kept["momentum_buffer"] = {n: -b for n, b in kept["momentum_buffer"].items()}
        return {n: -w for n, w in new.items()}, kept


class ExcessPrecision(Plain):
    """Computes in float64 and rounds what it keeps."""

    def moment(self, v, g):
        wide = self.rho * v.astype(np.float64) + (1 - self.rho) * np.square(g.astype(np.float64))
        return wide.astype(v.dtype)

    def increment(self, g, v, rate):
        wide = rate * g.astype(np.float64) / np.sqrt(v.astype(np.float64) + self.epsilon)
        return wide.astype(g.dtype)


class Float32Constants(Plain):
    """Hyperparameters as NumPy scalars of the tensor's dtype."""

    def moment(self, v, g):
        t = v.dtype.type
        return t(self.rho) * v + t(1 - self.rho) * (g * g)

    def increment(self, g, v, rate):
        t = v.dtype.type
        return t(rate) * g / np.sqrt(v + t(self.epsilon))

    def moved(self, b, u):
        return b.dtype.type(self.momentum) * b + u


class OneElementAtATime(Plain):
    def moment(self, v, g):
        result = np.empty_like(v)
        for index in np.ndindex(v.shape):
            result[index] = self.rho * v[index] + (1 - self.rho) * g[index] * g[index]
        return result


class Flat:
    """All tensors in one long vector, in the order of their names: a mapping promises no other."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon

    def init(self, params):
        return {"calls": 0, "v": 0 * _joined(params), "like": params}

    def step(self, params, grads, state):
        rate = self.learning_rate(state["calls"]) if callable(self.learning_rate) else self.learning_rate
        w, g = _joined(params), _joined(grads)
        v = self.rho * state["v"] + (1 - self.rho) * g * g
        w = w - rate * g / np.sqrt(v + self.epsilon)
        return _parted(w, params), {"calls": state["calls"] + 1, "v": v, "like": params}

    def slots(self, state):
        return {"second_moment": _parted(state["v"], state["like"])}


def _joined(tensors):
    return np.concatenate([np.ravel(tensors[name]) for name in sorted(tensors)])


def _parted(vector, like):
    parts, start = {}, 0
    for name in sorted(like):
        w = like[name]
        parts[name] = vector[start : start + w.size].reshape(w.shape)
        start += w.size
    return parts


class HidesEverything(Plain):
    def slots(self, state):
        return {}


class HidesMoment(Plain):
    def slots(self, state):
        return {"momentum_buffer": state["momentum_buffer"]} if self.momentum else {}


class HidesBuffer(Plain):
    def slots(self, state):
        return {"second_moment": state["second_moment"]}


class ShowsUnusedBuffer(Plain):
    def slots(self, state):
        return {"second_moment": state["second_moment"], "momentum_buffer": state["momentum_buffer"]}


class Updates:
    """The tutorial's style with a return value, its own attribute names and Keras' arguments by keyword."""

    def __init__(self, **settings):
        self.take(**settings)
        self.cache, self.calls = {}, 0

    def take(self, learning_rate=0.001, rho=0.9, epsilon=1e-7):
        self.rate, self.rho, self.epsilon = learning_rate, rho, epsilon

    def update(self, params, grads):
        rate = self.rate(self.calls) if callable(self.rate) else self.rate
        self.calls += 1
        new = {}
        for name, g in grads.items():
            self.cache[name] = self.rho * self.cache.get(name, np.zeros_like(g)) + (1 - self.rho) * g * g
            new[name] = params[name] - rate * g / np.sqrt(self.cache[name] + self.epsilon)
        return new


class CenteredReordered:
    """Centred, with epsilon added first and the mean subtracted last."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, centered=False):
        self.rate, self.rho, self.epsilon, self.centered = learning_rate, rho, epsilon, centered

    def init(self, params):
        return {
            "calls": 0,
            "v": {n: np.zeros_like(w) for n, w in params.items()},
            "m": {n: np.zeros_like(w) for n, w in params.items()},
        }

    def step(self, params, grads, state):
        rate = self.rate(state["calls"]) if callable(self.rate) else self.rate
        new, vs, ms = {}, {}, {}
        for name, g in grads.items():
            vs[name] = state["v"][name] + (1 - self.rho) * (g * g - state["v"][name])
            ms[name] = state["m"][name] + (1 - self.rho) * (g - state["m"][name])
            spread = (self.epsilon + vs[name]) - (ms[name] * ms[name] if self.centered else 0)
            new[name] = params[name] - rate * g / np.sqrt(spread)
        return new, {"calls": state["calls"] + 1, "v": vs, "m": ms}

    def slots(self, state):
        shown = {"second_moment": state["v"]}
        return {**shown, "first_moment": state["m"]} if self.centered else shown


class RateTimesReciprocal(Plain):
    def increment(self, g, v, rate):
        return rate * (1 / np.sqrt(v + self.epsilon)) * g


class RateAndGradientTimesReciprocal(Plain):
    def increment(self, g, v, rate):
        return (rate * g) * np.reciprocal(np.sqrt(v + self.epsilon))


class RateAfterGradientTimesReciprocal(Plain):
    def increment(self, g, v, rate):
        return rate * (g * (1 / np.sqrt(v + self.epsilon)))


class OverRootTimesInverseRate(Plain):
    def increment(self, g, v, rate):
        return g / (np.sqrt(v + self.epsilon) * (1 / rate)) if rate else 0 * g


class NegativeRate(Plain):
    """Adds a negative increment."""

    def increment(self, g, v, rate):
        return -(-rate * g / np.sqrt(v + self.epsilon))


class HalfPowerByOperator(Plain):
    def increment(self, g, v, rate):
        return rate * (g / (v + self.epsilon) ** 0.5)


class RootInFloat64(Plain):
    def increment(self, g, v, rate):
        root = np.sqrt((v + self.epsilon).astype(np.float64))
        return rate * g / root.astype(g.dtype)


class EpsilonIntoTheSum(Plain):
    """Adds epsilon before the old moment; what it keeps has none."""

    def step(self, params, grads, state):
        self.old = dict(state["second_moment"])
        self.names = iter(params)
        return super().step(params, grads, state)

    def increment(self, g, v, rate):
        old = self.old[next(self.names)]
        return rate * g / np.sqrt(((1 - self.rho) * g * g + self.epsilon) + self.rho * old)


class ChainedSquare(Plain):
    def moment(self, v, g):
        return self.rho * v + (1 - self.rho) * g * g


class SquareOfMagnitude(Plain):
    def moment(self, v, g):
        return (1 - self.rho) * np.abs(g) ** 2 + v * self.rho


class NewFirst(Plain):
    def moment(self, v, g):
        total = np.square(g)
        total *= 1 - self.rho
        total += self.rho * v
        return total


class TakesAwayThenAdds(Plain):
    def moment(self, v, g):
        return (v - (1 - self.rho) * v) + (1 - self.rho) * np.square(g)


class TakesAwayLast(Plain):
    def moment(self, v, g):
        return v + ((1 - self.rho) * np.square(g) - (1 - self.rho) * v)


class OutArguments(Plain):
    """Every operation writes where it is told to."""

    def moment(self, v, g):
        square, kept = np.empty_like(g), np.empty_like(v)
        np.multiply(g, g, out=square)
        np.multiply(square, 1 - self.rho, out=square)
        np.multiply(v, self.rho, out=kept)
        np.add(kept, square, out=kept)
        return kept

    def increment(self, g, v, rate):
        root, u = np.empty_like(v), np.empty_like(g)
        np.add(v, self.epsilon, out=root)
        np.sqrt(root, out=root)
        np.multiply(g, rate, out=u)
        return np.divide(u, root, out=u)


class MomentumInPlace(Plain):
    def moved(self, b, u):
        b = b.copy()
        b *= self.momentum
        b += u
        return b


class MomentumLast(Plain):
    def moved(self, b, u):
        return np.add(u, np.multiply(b, self.momentum))


class ZeroDimensional(Plain):
    """Hyperparameters as arrays without dimensions."""

    def number(self, x, like):
        return np.asarray(x, dtype=like.dtype)

    def moment(self, v, g):
        return self.number(self.rho, v) * v + self.number(1 - self.rho, v) * (g * g)

    def increment(self, g, v, rate):
        return self.number(rate, g) * g / np.sqrt(v + self.number(self.epsilon, v))

    def moved(self, b, u):
        return self.number(self.momentum, b) * b + u


class OneElementArrays(ZeroDimensional):
    """Hyperparameters as arrays with one element."""

    def moment(self, v, g):
        return super().moment(v, g).reshape(v.shape)

    def number(self, x, like):
        return np.full((1,) * max(like.ndim, 1), x, dtype=like.dtype)

    def increment(self, g, v, rate):
        return super().increment(g, v, rate).reshape(g.shape)

    def moved(self, b, u):
        return super().moved(b, u).reshape(b.shape)


class Float64Scalars(Plain):
    """Scalars of float64 make all they touch float64; the results are rounded."""

    def moment(self, v, g):
        return np.asarray(np.float64(self.rho) * v + np.float64(1 - self.rho) * g * g).astype(v.dtype)

    def increment(self, g, v, rate):
        return np.asarray(np.float64(rate) * g / np.sqrt(v + np.float64(self.epsilon))).astype(g.dtype)


class WhereTheGradientIsNot(Plain):
    """Leaves alone what has no gradient."""

    def moment(self, v, g):
        return np.where(g == 0, self.rho * v, self.rho * v + (1 - self.rho) * g * g)

    def increment(self, g, v, rate):
        safe = np.where(g == 0, 1, v + self.epsilon)
        return np.where(g == 0, 0 * g, rate * g / np.sqrt(safe)).astype(g.dtype)


class Vectorized(Plain):
    """A function of one number, for all of them."""

    def increment(self, g, v, rate):
        one = np.vectorize(lambda x, y: rate * x / np.sqrt(y + self.epsilon), otypes=[g.dtype])
        return one(g, v) if g.size else g


class RowByRow(Plain):
    def moment(self, v, g):
        rows = [self.rho * a + (1 - self.rho) * b * b for a, b in zip(np.ravel(v), np.ravel(g), strict=True)]
        return np.array(rows, dtype=v.dtype).reshape(v.shape)


class InHalves(Plain):
    def increment(self, g, v, rate):
        parts = zip(np.array_split(np.ravel(g), 2), np.array_split(np.ravel(v), 2), strict=True)
        return np.concatenate([rate * a / np.sqrt(b + self.epsilon) for a, b in parts]).reshape(g.shape)


class Transposed(Plain):
    def moment(self, v, g):
        return (self.rho * v.T + (1 - self.rho) * np.square(g.T)).T


class BackToFront(Plain):
    """Goes through the tensors in the other order."""

    def step(self, params, grads, state):
        turned = dict(reversed(params.items()))
        new, after = super().step(turned, grads, state)
        return {name: new[name] for name in params}, after


class Decaying(Plain):
    """With a decay; ``decayed`` is what the others write otherwise."""

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, weight_decay=None):
        super().__init__(learning_rate, rho, momentum, epsilon)
        self.weight_decay = weight_decay or 0.0

    def step(self, params, grads, state):
        rate = self.learning_rate(state["calls"]) if callable(self.learning_rate) else self.learning_rate
        return super().step({name: self.decayed(w, rate) for name, w in params.items()}, grads, state)

    def decayed(self, w, rate):
        return w - w * self.weight_decay * rate


class DecayByFactor(Decaying):
    def decayed(self, w, rate):
        return w * (1 - rate * self.weight_decay)


class DecayByFactorInPlace(Decaying):
    def decayed(self, w, rate):
        w = w.copy()
        w *= 1 - self.weight_decay * rate
        return w


class DecayRateFirst(Decaying):
    def decayed(self, w, rate):
        return w - rate * self.weight_decay * w


class DecayOfScaledWeights(Decaying):
    def decayed(self, w, rate):
        return w - self.weight_decay * (rate * w)


class DecayAdded(Decaying):
    def decayed(self, w, rate):
        return -rate * self.weight_decay * w + w


class Centred(Plain):
    """Centred or not; ``spread`` is what the others write otherwise."""

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False):
        super().__init__(learning_rate, rho, momentum, epsilon)
        self.centered = centered

    def init(self, params):
        return {**super().init(params), "first_moment": {name: np.zeros_like(w) for name, w in params.items()}}

    def step(self, params, grads, state):
        means = {name: self.mean(state["first_moment"][name], g) for name, g in grads.items()}
        self.means = iter([means[name] for name in params])
        new, after = super().step(params, grads, state)
        return new, {**after, "first_moment": means}

    def slots(self, state):
        return {**super().slots(state), **({"first_moment": state["first_moment"]} if self.centered else {})}

    def mean(self, m, g):
        return self.rho * m + (1 - self.rho) * g

    def increment(self, g, v, rate):
        m = next(self.means)
        return rate * g / np.sqrt(self.spread(v, m) if self.centered else v + self.epsilon)

    def spread(self, v, m):
        return v - m * m + self.epsilon


class CentredEpsilonFirst(Centred):
    def spread(self, v, m):
        return (v + self.epsilon) - np.square(m)


class CentredEpsilonFromTheMean(Centred):
    def spread(self, v, m):
        return v - (m**2 - self.epsilon)


class CentredMeanFirst(Centred):
    def spread(self, v, m):
        return -m * m + v + self.epsilon


class CentredLerp(Centred):
    def mean(self, m, g):
        return m + (g - m) * (1 - self.rho)


class CentredLerpOfOpposites(Centred):
    def mean(self, m, g):
        return m - (1 - self.rho) * (m - g)


class Lists:
    """Everything in lists, in the order of the names."""

    def __init__(self, lr=0.001, rho=0.9, mu=0.0, eps=1e-7):
        self.lr, self.rho, self.mu, self.eps = lr, rho, mu, eps

    def init(self, params):
        return 0, *([np.zeros_like(params[name]) for name in sorted(params)] for _ in range(2))

    def step(self, params, grads, state):
        t, vs, bs = state
        lr = self.lr(t) if callable(self.lr) else self.lr
        gs = [grads[name] for name in sorted(params)]
        vs = [self.rho * v + (1 - self.rho) * g * g for v, g in zip(vs, gs, strict=True)]
        bs = [self.mu * b + lr * g / np.sqrt(v + self.eps) for b, g, v in zip(bs, gs, vs, strict=True)]
        return {name: params[name] - b for name, b in zip(sorted(params), bs, strict=True)}, (t + 1, vs, bs)


class UpdatesInPlace:
    """The tutorial's style in its shortest form: weights and moments change where they are."""

    def __init__(self, lr=0.001, decay_rate=0.9, eps=1e-7):
        self.lr, self.decay_rate, self.eps, self.t, self.cache = lr, decay_rate, eps, 0, {}

    def update(self, params, grads):
        lr = self.lr(self.t) if callable(self.lr) else self.lr
        for key in params:
            v = self.cache.setdefault(key, np.zeros_like(params[key]))
            v *= self.decay_rate
            v += (1 - self.decay_rate) * grads[key] ** 2
            params[key] -= lr * grads[key] / np.sqrt(v + self.eps)
        self.t += 1


class StateOfEachTensor:
    """A small optimizer for each tensor, which holds what belongs to it."""

    class One:
        def __init__(self, w):
            self.v, self.b = np.zeros_like(w), np.zeros_like(w)

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7):
        self.learning_rate, self.rho, self.momentum, self.epsilon = learning_rate, rho, momentum, epsilon
        self.t, self.each = 0, {}

    def update(self, params, grads):
        rate = self.learning_rate(self.t) if callable(self.learning_rate) else self.learning_rate
        self.t += 1
        each = {name: self.each.setdefault(name, self.One(w)) for name, w in params.items()}
        return {name: self.one(each[name], w, grads[name], rate) for name, w in params.items()}

    def one(self, kept, w, g, rate):
        kept.v = self.rho * kept.v + (1 - self.rho) * g * g
        kept.b = self.momentum * kept.b + rate * (g / np.sqrt(kept.v + self.epsilon))
        return w - kept.b
