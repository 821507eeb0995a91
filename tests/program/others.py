"""More programs with one mistake each: a regression with a penalty, a convolution, RMSprop under a sigmoid."""

from typing import NamedTuple

REGRESSION = """import numpy as np

rng = np.random.default_rng(1)


class Net:
    def __init__(self):
        self.W1 = rng.uniform(-1, 1, (5, 9)) * np.sqrt(6 / 14)
        self.b1 = np.zeros(9)
        self.W2 = rng.uniform(-1, 1, (9, 1)) * np.sqrt(6 / 10)
        self.b2 = np.zeros(1)

    def forward(self, X):
        self.Z1 = X @ self.W1 + self.b1
        self.A1 = np.maximum(self.Z1, 0)
        return self.A1 @ self.W2 + self.b2

    def loss(self, X, y):
        p = self.forward(X)
        return «loss»

    def backward(self, X, y):
        p = self.forward(X)
        d2 = «delta»
        d1 = «back»
        self.dW1, self.db1 = X.T @ d1 + «penalty», d1.sum(0)
        self.dW2, self.db2 = self.A1.T @ d2, d2.sum(0)

    def update(self, X, y):
        self.backward(X, y)
        for k in ("W1", "b1", "W2", "b2"):
            setattr(self, k, getattr(self, k) - 0.05 * getattr(self, "d" + k))


net = Net()
"""
CONVOLUTION = """import numpy as np


class ConvNet:
    def __init__(self):
        self.filters = np.random.uniform(-1, 1, (3, 1, 3, 3)) * np.sqrt(6 / 36)
        self.bias = np.zeros(3)
        self.W = np.random.uniform(-1, 1, (27, 4)) * np.sqrt(6 / 31)
        self.b = np.zeros(4)

    def forward(self, x):
        n = len(x)
        z = np.zeros((n, 6, 6, 3))
        for i in range(6):
            for j in range(6):
                patch = x[:, 0, i : i + 3, j : j + 3]
                for k in range(3):
                    z[:, i, j, k] = np.sum(patch * «kernel», axis=(1, 2)) + self.bias[k]
        a = np.maximum(z, 0)
        pool = a.reshape(n, 3, 2, 3, 2, 3).max(axis=(2, 4))
        z = pool.reshape(n, -1) @ self.W + self.b
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def loss(self, x, y):
        p = self.forward(x)
        return -np.mean(np.log(p[np.arange(len(y)), y]))


net = ConvNet()
"""
BINARY = """import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


params = [np.random.uniform(-1, 1, (5, 9)) * np.sqrt(6 / 14), np.zeros(9)]
params += [np.random.uniform(-1, 1, (9, 1)) * np.sqrt(6 / 10), np.zeros(1)]
v = [np.zeros_like(p) for p in params]


def forward(x):
    z1 = x @ params[0] + params[1]
    return sigmoid(np.maximum(z1, 0) @ params[2] + params[3]), z1


def loss(x, y):
    p, _ = forward(x)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


def grads(x, y):
    p, z1 = forward(x)
    d2 = «delta»
    d1 = d2 @ params[2].T * (z1 > 0)
    return [x.T @ d1, d1.sum(0), np.maximum(z1, 0).T @ d2, d2.sum(0)]


def step(x, y):
    for i, g in enumerate(grads(x, y)):
        v[i] = 0.9 * v[i] + (1 - 0.9) * g**2
        params[i] -= 0.001 * g / «root»
"""
_BUILD = """import keras
import numpy as np


def build():
    k = keras.layers
    model = keras.Sequential([{layers}])
    model.compile(optimizer={optimizer}, loss="{loss}")
    return model
"""
FLAT = """

def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((50, 5)), rng.standard_normal(50)
"""


class Program(NamedTuple):
    """A program's text with gaps, what is right in them, the model beside it, and how it is bound."""

    text: str
    right: dict[str, str]
    model: str
    bind: dict[str, str]

    def written(self, **wrong: str) -> str:
        """Return its text."""
        text = self.text
        for gap, code in (self.right | wrong).items():
            text = text.replace(f"«{gap}»", code)
        return text


_PLAIN = {
    "loss": "np.mean((p[:, 0] - y) ** 2)",
    "delta": "2 * (p - y.reshape(-1, 1)) / len(X)",
    "back": "(d2 @ self.W2.T) * (self.A1 > 0)",
    "penalty": "0",
}
PROGRAMS = {
    "regression": Program(
        REGRESSION,
        _PLAIN
        | {
            "loss": "np.mean((p - y) ** 2) + 0.01 * np.sum(self.W1 ** 2)",
            "delta": "2 * (p - y) / len(X)",
            "penalty": "2 * 0.01 * self.W1",
        },
        _BUILD.format(
            layers='keras.Input((5,)), k.Dense(9, activation="relu", kernel_regularizer=keras.regularizers.L2(0.01)), '
            "k.Dense(1)",
            optimizer="keras.optimizers.SGD(0.05)",
            loss="mse",
        ),
        {},
    ),
    "flat labels": Program(
        REGRESSION,
        _PLAIN,
        _BUILD.format(
            layers='keras.Input((5,)), k.Dense(9, activation="relu"), k.Dense(1)',
            optimizer="keras.optimizers.SGD(0.05)",
            loss="mse",
        )
        + FLAT,
        {},
    ),
    "convolution": Program(
        CONVOLUTION,
        {"kernel": "self.filters[k, 0]"},
        _BUILD.format(
            layers='keras.Input((8, 8, 1)), k.Conv2D(3, 3, activation="relu"), k.MaxPooling2D(2), k.Flatten(), '
            'k.Dense(4, activation="softmax")',
            optimizer='"sgd"',
            loss="sparse_categorical_crossentropy",
        ),
        {},
    ),
    "binary": Program(
        BINARY,
        {"delta": "(p - y) / len(x)", "root": "np.sqrt(v[i] + 1e-7)"},
        _BUILD.format(
            layers='keras.Input((5,)), k.Dense(9, activation="relu"), k.Dense(1, activation="sigmoid")',
            optimizer='"rmsprop"',
            loss="binary_crossentropy",
        ),
        {"weights": "params.0,params.1,params.2,params.3"},
    ),
    "adam": Program(
        BINARY[: BINARY.index("def step")]
        + """m = [np.zeros_like(p) for p in params]
t = [0]


def step(x, y):
    t[0] += 1
    for i, g in enumerate(grads(x, y)):
        m[i] = 0.9 * m[i] + 0.1 * g
        v[i] = 0.999 * v[i] + 0.001 * g**2
        params[i] -= «change»
""",
        {
            "delta": "(p - y) / len(x)",
            "change": "0.001 * np.sqrt(1 - 0.999 ** t[0]) / (1 - 0.9 ** t[0]) * m[i] / (np.sqrt(v[i]) + 1e-7)",
        },
        _BUILD.format(
            layers='keras.Input((5,)), k.Dense(9, activation="relu"), k.Dense(1, activation="sigmoid")',
            optimizer='"adam"',
            loss="binary_crossentropy",
        ),
        {"weights": "params.0,params.1,params.2,params.3"},
    ),
}
_PAPER = "0.001 * m[i] / (1 - 0.9 ** t[0]) / (np.sqrt(v[i] / (1 - 0.999 ** t[0])) + 1e-8)"
WRONG = [
    ("regression", {"penalty": "0"}, "own gradient", "penalty_in_gradient"),
    ("regression", {"penalty": "0.01 * self.W1"}, "own gradient", "penalty_in_gradient"),
    ("regression", {"loss": "np.mean((p - y) ** 2)"}, "loss", "penalty_in_loss"),
    ("regression", {"loss": "np.mean((p - y) ** 2) + 0.005 * np.sum(self.W1**2)"}, "loss", "penalty_in_loss"),
    ("regression", {"loss": "0.5 * np.mean((p - y) ** 2) + 0.01 * np.sum(self.W1**2)"}, "loss", "loss_scale"),
    ("regression", {"back": "d2 @ self.W2.T"}, "own gradient", "derivative_left_out"),
    ("regression", {"delta": "(p - y) / len(X)"}, "own gradient", "gradient_scale"),
    ("flat labels", {"loss": "np.mean((p - y) ** 2)"}, "loss", "broadcast"),
    ("flat labels", {"loss": "np.mean(np.abs(p[:, 0] - y))"}, "loss", "other_loss"),
    ("convolution", {"kernel": "self.filters[k, 0, ::-1, ::-1]"}, "prediction", "kernel_flipped"),
    ("binary", {"delta": "(p - y) * p * (1 - p) / len(x)"}, "own gradient", "output_derivative_extra"),
    ("binary", {"root": "(np.sqrt(v[i]) + 1e-7)"}, "update", "update_rule"),
    ("adam", {"change": _PAPER}, "update", "epsilon_place"),
    ("adam", {"change": _PAPER.replace("0.001", "0.01", 1)}, "update", "learning_rate"),
    ("adam", {"change": "0.001 * g"}, "update", "other_rule"),
]
