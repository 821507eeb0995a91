"""Transformations in optax, chained and written by hand, as a person's file has them."""

import jax
import jax.numpy as jnp
import optax


def outside(learning_rate=0.001, decay=0.9, eps=1e-7):
    scaled = optax.scale_by_rms(decay=decay, eps=eps, eps_in_sqrt=False)
    return optax.chain(scaled, optax.scale_by_learning_rate(learning_rate))


def right(learning_rate=0.001, decay=0.9, eps=1e-7):
    return optax.chain(optax.scale_by_rms(decay=decay, eps=eps), optax.scale_by_learning_rate(learning_rate))


def with_trace(learning_rate=0.001, decay=0.9, eps=1e-7, momentum=0.0):
    scaled = optax.scale_by_rms(decay=decay, eps=eps)
    return optax.chain(scaled, optax.scale_by_learning_rate(learning_rate), optax.trace(momentum))


def by_hand(lr=0.001, rho=0.9, epsilon=1e-7):
    def init(params):
        return {"v": jax.tree.map(jnp.zeros_like, params)}

    def update(grads, state, params=None):
        v = jax.tree.map(lambda v, g: rho * v + (1 - rho) * g * g, state["v"], grads)
        return jax.tree.map(lambda v, g: -lr * g / (jnp.sqrt(v) + epsilon), v, grads), {"v": v}

    return optax.GradientTransformation(init, update)


instance = optax.rmsprop(1e-3, decay=0.9, eps=1e-7)
