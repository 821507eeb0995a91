"""More programs with one mistake each: regressions with a penalty or momentum, convolutions, RMSprop and Adam."""

from typing import NamedTuple

AT_ONCE = """import numpy as np

params = {"W1": np.random.randn(5, 9) * 0.3, "b1": np.zeros(9), "W2": np.random.randn(9, 1) * 0.3, "b2": np.zeros(1)}


def forward(x):
    a = np.tanh(x @ params["W1"] + params["b1"])
    return a, a @ params["W2"] + params["b2"]


def train_step(x, y, lr):
    a, p = forward(x)
    d2 = 2 * (p - y) / len(x)
    above = «above»
    params["W2"] -= lr * a.T @ d2
    params["b2"] -= lr * d2.sum(0)
    d1 = d2 @ above.T * (1 - a**2)
    params["W1"] -= lr * x.T @ d1
    params["b1"] -= lr * d1.sum(0)
"""
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
        self.a = a = np.maximum(z, 0)
        self.pool = pool = a.reshape(n, 3, 2, 3, 2, 3).max(axis=(2, 4))
        z = pool.reshape(n, -1) @ self.W + self.b
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def loss(self, x, y):
        p = self.forward(x)
        return -np.mean(np.log(p[np.arange(len(y)), y]))

    def backward(self, x, y):
        p, n = self.forward(x), len(x)
        p[np.arange(n), y] -= 1
        d = p / n
        self.dW, self.db = self.pool.reshape(n, -1).T @ d, d.sum(0)
        d = (d @ self.W.T).reshape(n, 3, 1, 3, 1, 3)
        top = self.a.reshape(n, 3, 2, 3, 2, 3) == self.pool.reshape(n, 3, 1, 3, 1, 3)
        d = (d * top).reshape(n, 6, 6, 3) * «mask»
        self.dfilters, self.dbias = np.zeros((3, 1, 3, 3)), «bias»
        for i in range(3):
            for j in range(3):
                image = x[:, 0, i : i + 6, j : j + 6]
                self.dfilters[:, 0, «place»] = np.einsum("nhw,nhwk->k", image, d)

    def train(self, x, y):
        self.backward(x, y)
        for name in ("filters", "bias", "W", "b"):
            setattr(self, name, getattr(self, name) - 0.01 * getattr(self, "d" + name))


net = ConvNet()
"""
PATCHES = """import numpy as np

K = np.random.uniform(-1, 1, (4, 2, 3, 3)) * np.sqrt(6 / 54)
c = np.zeros((4, 1))
V = np.random.uniform(-1, 1, (5, 36)) * np.sqrt(6 / 41)
v = np.zeros((5, 1))
params = {"W1": K, "b1": c, "W2": V, "b2": v}


def patches(image):
    return np.stack([image[:, i : i + 3, j : j + 3].ravel() for i in range(3) for j in range(3)], axis=1)


def forward(image, params):
    columns = patches(image)
    a = np.tanh(«kernel».reshape(4, -1) @ columns + params["b1"])
    z = params["W2"] @ a.reshape(-1, 1) + params["b2"]
    e = np.exp(z - z.max())
    return e / e.sum(), (columns, a)


def loss(image, label, params):
    p, _ = forward(image, params)
    return -np.sum(label * np.log(p))


def backward(image, label, params):
    p, (columns, a) = forward(image, params)
    d = p - label
    back = (params["W2"].T @ d).reshape(a.shape) * «slope»
    kernel = (back @ columns.T).reshape(4, 2, 3, 3)
    return {"W1": «turned», "b1": «sum», "W2": d @ a.reshape(1, -1), "b2": d}


def update(image, label, params, lr=0.01):
    for name, gradient in backward(image, label, params).items():
        params[name] -= lr * gradient
"""
IMAGES = """import numpy as np

kernel = np.random.uniform(-1, 1, (3, 3, 2, 4)) * np.sqrt(6 / 54)
bias = np.zeros(4)
kernel2 = np.random.uniform(-1, 1, (36, 5)) * np.sqrt(6 / 41)
bias2 = np.zeros(5)


def forward(images):
    turned = «kernel»
    places = [(i, j) for i in range(3) for j in range(3)]
    z = sum(images[:, i : i + 3, j : j + 3] @ turned[i, j] for i, j in places) + bias
    a = np.tanh(z).transpose(0, 3, 1, 2).reshape(len(images), -1)
    e = np.exp(a @ kernel2 + bias2)
    return e / e.sum(axis=1, keepdims=True)


def loss(images, labels):
    return -np.mean(np.sum(labels * np.log(forward(images)), axis=1))
"""
MOMENTUM = """import numpy as np

rng = np.random.default_rng(3)
W = rng.uniform(-1, 1, (5, 1))
b = np.zeros(1)
velocity = [np.zeros((5, 1)) + «start», np.zeros(1) + «start»]


def forward(x):
    return x @ W + b


def loss(x, y):
    return np.mean((forward(x)«flat» - y) ** 2)


def gradients(x, y):
    d = 2 * (forward(x) - y.reshape(-1, 1)) / len(x)
    return [x.T @ d, d.sum(0)]


def step(x, y):
    for i, (w, g) in enumerate(zip([W, b], gradients(x, y))):
        velocity[i] = 0.9 * «velocity» - «taken» * g
        w += «moved»


def score(x, y):
    return np.mean((forward(x)«same» - y) ** 2)


def train_epoch(x, y):
    losses = []
    for i in range(0, «end», 8):
        losses.append(loss(x[i : i + 8], y[i : i + 8]) * len(x[i : i + 8]))
        step(x[i : i + 8], y[i : i + 8])
    print("loss", «shown»)
"""
LEARNER = """import numpy as np


class Learner:
    def __init__(self):
        self.weights = np.random.uniform(-1, 1, (1, 5))
        self.bias = np.zeros((1, 1))
        self.seen = [np.zeros((1, 5)), np.zeros((1, 1))]
        self.turn = 0

    def predict(self, X):
        return X @ self.weights.T + self.bias

    def cost(self, X, y):
        return np.mean((self.predict(X)«flat» - y) ** 2)

    def gradient(self, X, y):
        d = 2 * (self.predict(X) - y.reshape(-1, 1)) / len(X)
        return d.T @ X, d.sum(axis=0, keepdims=True)

    def update(self, X, y, lr=0.02):
        g, h = self.gradient(X, y)
        self.seen = [0.9 * «velocity» - lr * s for m, s in zip(self.seen, (g, h))]
        self.weights = self.weights + self.seen[0]
        self.bias = self.bias + «moved»

    def evaluate(self, X, y):
        return np.mean(np.abs(self.predict(X)«same» - y))

    def run_epoch(self, X, y):
        order, losses = np.arange(len(X)), []
        for start in range(0, «end», 10):
            batch = order[start : start + 10]
            losses += [self.cost(X[batch], y[batch])] * len(batch)
            self.update(X[batch], y[batch])
        return «shown»


model = Learner()
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
CURVES = """import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm


def slope(z):
    return 1 - np.tanh(z) ** 2


class Net:
    def __init__(self):
        self.figure, self.axes = plt.subplots()
        self.axes.set_title("loss")
        self.W1 = np.random.uniform(-1, 1, (5, 4)) * np.sqrt(6 / 9)
        self.b1 = np.zeros(4)
        self.W2 = np.random.uniform(-1, 1, (4, 2)) * np.sqrt(6 / 6)
        self.b2 = np.zeros(2)

    def forward(self, input_rows):
        self.z1 = input_rows @ self.W1«bias1»
        self.a1 = np.tanh(self.z1)«after1»
        self.z2 = self.a1 @ self.W2«bias2»
        self.p = np.tanh(self.z2)«after2»
        return self.p.tolist()

    def loss(self, input_rows, targets):
        return np.mean((np.array(self.forward(input_rows)) - targets) ** 2)

    def gradients(self, input_rows, targets):
        self.forward(input_rows)
        back2 = 2 * (self.p - targets) / self.p.size
        d2 = back2 * «slope2»
        back1 = d2 @ self.W2.T
        d1 = back1 * «slope1»
        self.dW1, self.db1 = input_rows.T @ d1, «sign»«sum1».sum(0)
        self.dW2, self.db2 = «inputs» @ d2, «sign»d2.sum(0)

    def step(self, input_rows, targets):
        for _ in tqdm(range(1)):
            self.gradients(input_rows, targets)
        for name in ("W1", "b1", "W2", "b2"):
            setattr(self, name, getattr(self, name) - «rate» * getattr(self, "d" + name))


net = Net()
"""
ROWS_IN_TURN = """import numpy as np

W = np.random.uniform(-1, 1, (3, 4)) * np.sqrt(6 / 7)
b = np.zeros((3, 1))


def forward(x):
    return W @ x + b


def train(xs, ys, rate):
    global W, b
    for x, y in zip(xs, ys):
        x, y = x.reshape(-1, 1), y.reshape(-1, 1)
        d = «delta»
        W = W - rate * d @ x.T
        b = b - rate * d
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
    "updates on its way": Program(
        AT_ONCE,
        {"above": 'params["W2"].copy()'},
        _BUILD.format(
            layers='keras.Input((5,)), k.Dense(9, activation="tanh", kernel_initializer="random_normal"), '
            'k.Dense(1, kernel_initializer="random_normal")',
            optimizer="keras.optimizers.SGD(0.05)",
            loss="mse",
        ).replace('"random_normal"', "keras.initializers.RandomNormal(stddev=0.3)"),
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
        {"kernel": "self.filters[k, 0]", "mask": "(self.a > 0)", "bias": "d.sum((0, 1, 2))", "place": "i, j"},
        _BUILD.format(
            layers='keras.Input((8, 8, 1)), k.Conv2D(3, 3, activation="relu"), k.MaxPooling2D(2), k.Flatten(), '
            'k.Dense(4, activation="softmax")',
            optimizer='"sgd"',
            loss="sparse_categorical_crossentropy",
        ),
        {},
    ),
    "convolution by patches": Program(
        PATCHES,
        {"kernel": 'params["W1"]', "slope": "(1 - a**2)", "turned": "kernel", "sum": "back.sum(1, keepdims=True)"},
        _BUILD.format(
            layers='keras.Input((5, 5, 2)), k.Conv2D(4, 3, activation="tanh"), k.Flatten(), '
            'k.Dense(5, activation="softmax")',
            optimizer='"sgd"',
            loss="categorical_crossentropy",
        ),
        {},
    ),
    "convolution of images": Program(
        IMAGES,
        {"kernel": "kernel"},
        _BUILD.format(
            layers='keras.Input((5, 5, 2)), k.Conv2D(4, 3, activation="tanh"), k.Flatten(), '
            'k.Dense(5, activation="softmax")',
            optimizer='"sgd"',
            loss="categorical_crossentropy",
        ),
        {"weights": "kernel,bias,kernel2,bias2"},
    ),
    "momentum": Program(
        MOMENTUM,
        {
            "start": "0",
            "taken": "0.01",
            "flat": "[:, 0]",
            "velocity": "velocity[i]",
            "moved": "velocity[i]",
            "same": "[:, 0]",
            "end": "len(x)",
            "shown": "sum(losses) / len(x)",
        },
        _BUILD.format(
            layers="keras.Input((5,)), k.Dense(1)",
            optimizer="keras.optimizers.SGD(0.01, momentum=0.9)",
            loss="mse",
        )
        + FLAT,
        {},
    ),
    "learner": Program(
        LEARNER,
        {
            "flat": "[:, 0]",
            "velocity": "m",
            "moved": "self.seen[1]",
            "same": "[:, 0]",
            "end": "len(X)",
            "shown": "np.mean(losses)",
        },
        _BUILD.format(
            layers="keras.Input((5,)), k.Dense(1)",
            optimizer="keras.optimizers.SGD(0.02, momentum=0.9)",
            loss="mse",
        )
        + FLAT,
        {},
    ),
    "curves": Program(
        CURVES,
        {
            "bias1": " + self.b1",
            "after1": "",
            "bias2": " + self.b2",
            "after2": "",
            "slope2": "slope(self.z2)",
            "slope1": "slope(self.z1)",
            "sum1": "d1",
            "sign": "",
            "inputs": "self.a1.T",
            "rate": "0.1",
        },
        _BUILD.format(
            layers='keras.Input((5,)), k.Dense(4, activation="tanh"), k.Dense(2, activation="tanh")',
            optimizer="keras.optimizers.SGD(0.1)",
            loss="mse",
        ),
        {"step": "net.step(x, y)"},
    ),
    "rows in turn": Program(
        ROWS_IN_TURN,
        {"delta": "2 * (forward(x) - y) / 3"},
        _BUILD.format(layers="keras.Input((4,)), k.Dense(3)", optimizer="keras.optimizers.SGD(0.1)", loss="mse"),
        {"predict": "forward(x.T).T", "step": "train(x, y, rate)"},
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
BEHIND = [
    ({"bias1": "", "after1": " + self.b1"}, "bias_as_inside"),
    ({"bias1": "", "after1": " + self.b1", "slope1": "1", "sum1": "back1"}, "derivative_left_out"),
]
"""A bias that is added after the activation, and a second mistake behind it."""
WRONG = [
    ("regression", {"penalty": "0"}, "own gradient", "penalty_in_gradient"),
    ("regression", {"penalty": "0.01 * self.W1"}, "own gradient", "penalty_in_gradient"),
    ("regression", {"loss": "np.mean((p - y) ** 2)"}, "loss", "penalty_in_loss"),
    ("regression", {"loss": "np.mean((p - y) ** 2) + 0.005 * np.sum(self.W1**2)"}, "loss", "penalty_in_loss"),
    ("regression", {"loss": "0.5 * np.mean((p - y) ** 2) + 0.01 * np.sum(self.W1**2)"}, "loss", "loss_scale"),
    ("regression", {"back": "d2 @ self.W2.T"}, "own gradient", "derivative_left_out"),
    ("regression", {"delta": "(p - y) / len(X)"}, "own gradient", "gradient_scale"),
    ("updates on its way", {"above": 'params["W2"]'}, "update", "already_updated"),
    ("flat labels", {"loss": "np.mean((p - y) ** 2)"}, "loss", "broadcast"),
    ("flat labels", {"loss": "np.mean(np.abs(p[:, 0] - y))"}, "loss", "other_loss"),
    (
        "convolution",
        {"kernel": "self.filters[k, 0, ::-1, ::-1]", "place": "2 - i, 2 - j"},
        "prediction",
        "kernel_flipped",
    ),
    ("convolution", {"mask": "1"}, "own gradient", "derivative_left_out"),
    ("convolution", {"place": "2 - i, 2 - j"}, "own gradient", "gradient_turned_over"),
    ("convolution", {"bias": "d.mean((1, 2)).sum(0)"}, "own gradient", "bias_gradient_scale"),
    ("convolution of images", {"kernel": "kernel[::-1, ::-1]"}, "prediction", "kernel_flipped"),
    ("convolution by patches", {"slope": "1"}, "own gradient", "derivative_left_out"),
    ("convolution by patches", {"slope": "(1 - a**2) ** 2"}, "own gradient", "derivative_twice"),
    ("convolution by patches", {"turned": "kernel[:, :, ::-1, ::-1]"}, "own gradient", "gradient_turned_over"),
    ("convolution by patches", {"sum": "np.full((4, 1), back.sum())"}, "own gradient", "bias_gradient_axis"),
    ("momentum", {"flat": ""}, "loss", "broadcast"),
    ("learner", {"flat": ""}, "loss", "broadcast"),
    ("momentum", {"velocity": "0"}, "update", "state_restarts"),
    ("learner", {"velocity": "0 * m"}, "update", "state_restarts"),
    ("momentum", {"moved": "(velocity[i] if i == 0 else 0)"}, "update", "never_updated"),
    ("learner", {"moved": "0"}, "update", "never_updated"),
    ("momentum", {"same": ""}, "metric", "metric_broadcast"),
    ("learner", {"same": ""}, "metric", "metric_broadcast"),
    ("momentum", {"end": "len(x) - len(x) % 8"}, "epoch", "last_batch"),
    ("learner", {"end": "len(X) - len(X) % 10"}, "epoch", "last_batch"),
    ("momentum", {"shown": "loss(x, y)"}, "printed", "printed_loss"),
    ("learner", {"shown": "self.cost(X, y)"}, "printed", "printed_loss"),
    ("momentum", {"taken": "0.1 * 0.01"}, "update", "update_rule"),
    ("momentum", {"moved": "velocity[i] * (1 if i == 0 else 0.5)"}, "update", "learning_rate"),
    ("adam", {"change": "0.001 * m[i] / np.sqrt(v[i] + 1e-7)"}, "update", "update_rule"),
    ("regression", {"back": "(d2 @ self.W2.T) * (self.A1 <= 0)"}, "own gradient", "mask_reversed"),
    ("momentum", {"start": "0.003"}, "update", "slot_start"),
    ("curves", {"slope2": "slope(self.p)"}, "own gradient", "derivative_at_output"),
    ("curves", {"slope2": "slope(self.p)", "slope1": "slope(self.a1)"}, "own gradient", "derivative_at_output"),
    ("curves", {"slope2": "(1 - self.z2**2)", "slope1": "(1 - self.z1**2)"}, "own gradient", "derivative_at_sum"),
    ("curves", {"sum1": "back1"}, "own gradient", "bias_before_derivative"),
    ("curves", {"bias1": " - self.b1", "bias2": " - self.b2", "sign": "-"}, "prediction", "biases_subtracted"),
    ("curves", {"inputs": "self.a1"}, "update", "product_not_transposed"),
    ("curves", {"rate": "0"}, "update", "never_updated"),
    ("rows in turn", {"delta": "2 * (forward(x) - y)"}, "gradient", "gradient_scale"),
    ("binary", {"delta": "(p - y) * p * (1 - p) / len(x)"}, "own gradient", "output_derivative_extra"),
    ("binary", {"root": "(np.sqrt(v[i]) + 1e-7)"}, "update", "update_rule"),
    ("adam", {"change": _PAPER}, "update", "epsilon_place"),
    ("adam", {"change": _PAPER.replace("0.001", "0.01", 1)}, "update", "learning_rate"),
    ("adam", {"change": "0.001 * g"}, "update", "other_rule"),
]
