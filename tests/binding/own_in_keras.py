"""Classes that extend Keras' optimizer, an instance, and a function that makes one, as a person's file has them."""

import keras
from keras import ops


class Outside(keras.optimizers.Optimizer):
    """RMSprop with epsilon after the root; its moment is named as Keras names it."""

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.rho, self.epsilon = rho, epsilon

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self._squares = self.add_optimizer_variables(variables, "velocity")

    def update_step(self, gradient, variable, learning_rate):
        v = self._squares[self._get_variable_index(variable)]
        self.assign(v, self.rho * v + (1 - self.rho) * ops.square(gradient))
        self.assign_sub(variable, learning_rate * gradient / self.root(v))

    def root(self, v):
        return ops.sqrt(v) + self.epsilon

    def get_config(self):
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}


class Right(Outside):
    def root(self, v):
        return ops.sqrt(v + self.epsilon)


class Unnamed(Right):
    """Keeps beside the moment what Keras has no name for, so that no name of its is taken for Keras'."""

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self._last = self.add_optimizer_variables(variables, "last_gradient")


class Silent(keras.optimizers.RMSprop):
    """An instance of it does not tell its own argument."""

    def __init__(self, learning_rate=0.001, boost=1.0):
        super().__init__(learning_rate)
        self.boost = boost


def made(lr=0.01, rho=0.9, eps=1e-7):
    return keras.optimizers.RMSprop(lr, rho=rho, epsilon=eps)


instance = Outside(learning_rate=0.5)
silent = Silent()
