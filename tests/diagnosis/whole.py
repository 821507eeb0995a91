"""Tf.keras' RMSprop with every argument, in methods that others do otherwise, and in four styles."""

import re

import numpy as np


class Whole:
    """What a step does, a method an idea; ``begin`` makes the state, ``advance`` a step of all tensors."""

    def __init__(
        self,
        learning_rate=0.001,
        rho=0.9,
        momentum=0.0,
        epsilon=1e-7,
        centered=False,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        exclude_from_weight_decay=(),
    ):
        self.learning_rate, self.rho, self.momentum = learning_rate, rho, momentum
        self.epsilon, self.centered, self.weight_decay = epsilon, centered, weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum, self.overwrite = use_ema, ema_momentum, ema_overwrite_frequency
        self.scale, self.every = loss_scale_factor, gradient_accumulation_steps
        self.excluded = exclude_from_weight_decay

    def begin(self, params):
        names = ("v", "m", "b", "sum", "average")
        return {"calls": 0, **{name: {key: np.zeros_like(w) for key, w in params.items()} for name in names}}

    def advance(self, params, grads, state):
        calls, state = state["calls"], {k: dict(v) for k, v in state.items() if k != "calls"}
        new, grads = dict(params), self.gathered({k: self.unscaled(g) for k, g in grads.items()}, state, calls)
        if grads is not None:
            grads, rate = self.clipped(grads), self.rate(calls)
            for name, w in params.items():
                new[name] = self.moved(name, w, grads[name], rate, state)
        if self.use_ema:
            new = self.averaged(params, new, state, calls)
        return new, {"calls": calls + 1, **state}

    def shown(self, state):
        slots = {"second_moment": state["v"]}
        slots |= {"first_moment": state["m"]} if self.centered else {}
        slots |= {"momentum_buffer": state["b"]} if self.momentum else {}
        slots |= {"average": state["average"]} if self.use_ema else {}
        return slots | ({"accumulated_gradient": state["sum"]} if self.every else {})

    def number(self, w, value):
        return w.dtype.type(value)

    def rate(self, calls):
        return np.float32(self.learning_rate(calls) if callable(self.learning_rate) else self.learning_rate)

    def unscaled(self, g):
        return g / self.number(g, self.scale) if self.scale else g

    def gathered(self, grads, state, calls):
        if not self.every:
            return grads
        total = {name: state["sum"][name] + g for name, g in grads.items()}
        ready = (calls + 1) % self.every == 0
        state["sum"] = {name: np.zeros_like(g) for name, g in total.items()} if ready else total
        return {name: self.mean(g) for name, g in total.items()} if ready else None

    def mean(self, total):
        return total / self.number(total, self.every)

    def clipped(self, grads):
        if self.clipnorm:
            return {name: self.shortened(g, self.norm([g]), self.clipnorm) for name, g in grads.items()}
        if self.global_clipnorm:
            norm = self.norm(grads.values())
            return {name: self.shortened(g, norm, self.global_clipnorm) for name, g in grads.items()}
        if self.clipvalue:
            return {name: self.limited(g, self.clipvalue) for name, g in grads.items()}
        return grads

    def norm(self, grads):
        return np.sqrt(sum(np.sum(np.square(g)) for g in grads))

    def shortened(self, g, norm, limit):
        limit = self.number(g, limit)
        return g * limit / np.maximum(norm, limit)

    def limited(self, g, limit):
        return np.clip(g, self.number(g, -limit), self.number(g, limit))

    def moved(self, name, w, g, rate, state):
        w, g = self.decayed(name, w, g, rate)
        v = state["v"][name] = self.blend(state["v"][name], np.square(g))
        m = state["m"][name]
        if self.centered:
            state["m"][name] = self.blend(m, g)
            v = v - np.square(self.mean_used(m, state["m"][name]))
        u = self.increment(g, v, rate)
        if not self.momentum:
            return w - u
        state["b"][name] = self.number(w, self.momentum) * state["b"][name] + u
        return self.away(w, state["b"][name], rate)

    def decayed(self, name, w, g, rate):
        if not self.decays(name):
            return w, g
        return w - w * self.number(w, np.float32(self.weight_decay)) * self.number(w, rate), g

    def decays(self, name):
        return bool(self.weight_decay) and not any(re.search(each, name) for each in self.excluded)

    def blend(self, old, new):
        return self.number(old, self.rho) * old + self.number(old, 1 - self.rho) * new

    def mean_used(self, old, new):
        return new

    def increment(self, g, v, rate):
        return self.number(g, rate) * g / np.sqrt(v + self.number(g, self.epsilon))

    def away(self, w, b, rate):
        return w - b

    def averaged(self, old, new, state, calls):
        keep = self.ema_momentum if calls // (self.every or 1) else 0.0
        for name, w in new.items():
            state["average"][name] = self.running(state["average"][name], w, self.number(w, keep))
        return dict(state["average"]) if self.overwrites(calls // (self.every or 1)) else new

    def running(self, average, w, keep):
        return keep * average + (self.number(w, 1) - keep) * w

    def overwrites(self, updates):
        return bool(self.overwrite) and (updates + 1) % self.overwrite == 0


def shows_slots(rule):
    class Class(rule):
        def init(self, params):
            return self.begin(params)

        def step(self, params, grads, state):
            return self.advance(params, grads, state)

        def slots(self, state):
            return self.shown(state)

    return Class


def hides_slots(rule):
    class Class(rule):
        def init(self, params):
            return self.begin(params)

        def step(self, params, grads, state):
            return self.advance(params, grads, state)

    return Class


def updates(rule):
    class Class(rule):
        state = None

        def update(self, params, grads):
            new, self.state = self.advance(params, grads, self.state or self.begin(params))
            return new

    return Class


def updates_in_place(rule):
    class Class(rule):
        state = None

        def update(self, params, grads):
            new, self.state = self.advance(params, grads, self.state or self.begin(params))
            for name, w in params.items():
                w[...] = new[name]

    return Class


STYLES = (shows_slots, hides_slots, updates, updates_in_place)
