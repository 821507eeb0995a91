"""Programs as people write them, in the shapes that they have: one network, its mistake a line of a template.

Each shape is a text with named gaps; ``written`` fills them with what is right, and one or more of them with a mistake.
The network is dense: tanh, then softmax with cross-entropy, a mean over the batch.
"""

from typing import NamedTuple

SIZES = (6, 7, 4)
"""Inputs, hidden units, classes."""


class Shape(NamedTuple):
    """A way to write the program: its text with gaps, what stands in them, what the command needs beside the file.

    ``rows`` says whether examples are rows; ``bind`` is what no name says.
    """

    text: str
    rows: bool
    name: str = ""
    bind: tuple[str, ...] = ()


# What stands in the gaps, where examples are rows and where they are columns.
ROWS = {
    "first": "x @ {W1} + {b1}",
    "hidden": "np.tanh(z1)",
    "second": "a1 @ {W2} + {b2}",
    "output": "softmax(z2, 1)",
    "loss": "-np.sum(y * np.log(p)) / len(x)",
    "delta": "(p - y) / len(x)",
    "back": "d2 @ {W2}.T * (1 - a1**2)",
    "dW2": "a1.T @ d2",
    "db2": "d2.sum(axis=0)",
    "dW1": "x.T @ d1",
    "db1": "d1.sum(axis=0)",
    "start": "np.random.uniform(-1, 1, size) * np.sqrt(6 / sum(size))",
    "rate": "0.1",
}
COLUMNS = ROWS | {
    "first": "{W1} @ x + {b1}",
    "second": "{W2} @ a1 + {b2}",
    "output": "softmax(z2, 0)",
    "loss": "-np.sum(y * np.log(p)) / x.shape[1]",
    "delta": "(p - y) / x.shape[1]",
    "back": "{W2}.T @ d2 * (1 - a1**2)",
    "dW2": "d2 @ a1.T",
    "db2": "d2.sum(axis=1, keepdims=True)",
    "dW1": "d1 @ x.T",
    "db1": "d1.sum(axis=1, keepdims=True)",
}

_HEAD = """import numpy as np


def softmax(z, axis):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def start(*size):
    return «start»


"""

SHAPES = {
    "dictionary and functions": Shape(
        _HEAD
        + """params = {"W1": start(7, 6), "b1": np.zeros((7, 1)), "W2": start(4, 7), "b2": np.zeros((4, 1))}


def forward(x, params):
    z1 = «first»
    a1 = «hidden»
    z2 = «second»
    p = «output»
    return p, (a1, p)


def compute_loss(p, y):
    x = y
    return «loss»


def backward(params, cache, x, y):
    a1, p = cache
    d2 = «delta»
    d1 = «back»
    return {"dW1": «dW1», "db1": «db1», "dW2": «dW2», "db2": «db2»}


def train_step(x, y):
    p, cache = forward(x, params)
    grads = backward(params, cache, x, y)
    for key in params:
        params[key] -= «rate» * grads["d" + key]


if __name__ == "__main__":
    X, Y = load_csv("train.csv")
    for epoch in range(100):
        train_step(X, Y)
""",
        rows=False,
    ),
    "module globals": Shape(
        _HEAD
        + """W1, b1 = start(6, 7), np.zeros(7)
W2, b2 = start(7, 4), np.zeros(4)


def forward(x):
    z1 = «first»
    a1 = «hidden»
    z2 = «second»
    return a1, «output»


def loss(x, y):
    a1, p = forward(x)
    return «loss»


def gradients(x, y):
    a1, p = forward(x)
    d2 = «delta»
    d1 = «back»
    return «dW1», «db1», «dW2», «db2»


def step(x, y):
    global W1, b1, W2, b2
    g1, g2, g3, g4 = gradients(x, y)
    W1, b1, W2, b2 = W1 - «rate» * g1, b1 - «rate» * g2, W2 - «rate» * g3, b2 - «rate» * g4


while True:
    step(*next(batches))
""",
        rows=True,
    ),
    "object with parallel lists": Shape(
        _HEAD
        + """class Network:
    def __init__(self, sizes):
        self.weights = [start(m, n) for n, m in zip(sizes[:-1], sizes[1:])]
        self.biases = [np.zeros((m, 1)) for m in sizes[1:]]

    def feedforward(self, x):
        z1 = «first»
        self.a1 = a1 = «hidden»
        z2 = «second»
        return «output»

    def cost(self, x, y):
        p = self.feedforward(x)
        return «loss»

    def backprop(self, x, y):
        p = self.feedforward(x)
        a1 = self.a1
        d2 = «delta»
        d1 = «back»
        return [«dW1», «dW2»], [«db1», «db2»]

    def update_mini_batch(self, x, y, eta=«rate»):
        nabla_w, nabla_b = self.backprop(x, y)
        self.weights = [w - eta * g for w, g in zip(self.weights, nabla_w)]
        self.biases = [b - eta * g for b, g in zip(self.biases, nabla_b)]
""",
        rows=False,
        bind=("make=Network([6, 7, 4])",),
    ),
    "layers with attributes": Shape(
        _HEAD
        + """class Dense:
    def __init__(self, inputs, units):
        self.weights = start(inputs, units)
        self.biases = np.zeros((1, units))


class Model:
    def __init__(self):
        self.layers = [Dense(6, 7), Dense(7, 4)]

    def forward(self, x):
        self.x = x
        z1 = «first»
        self.a1 = a1 = «hidden»
        z2 = «second»
        self.p = «output»
        return self.p

    def loss(self, x, y):
        p = self.forward(x)
        return «loss»

    def backward(self, x, y):
        p, a1 = self.forward(x), self.a1
        d2 = «delta»
        d1 = «back»
        self.layers[0].dweights, self.layers[0].dbiases = «dW1», «db1»
        self.layers[1].dweights, self.layers[1].dbiases = «dW2», «db2»


class Optimizer_SGD:
    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def update_params(self, layer):
        layer.weights += -self.learning_rate * layer.dweights
        layer.biases += -self.learning_rate * layer.dbiases


model = Model()
optimizer = Optimizer_SGD(«rate»)


def train_batch(x, y):
    model.backward(x, y)
    for layer in model.layers:
        optimizer.update_params(layer)


for epoch in range(1000):
    train_batch(X, y)
""",
        rows=True,
        name="model",
        bind=("step=train_batch(x, y)",),
    ),
    "layers that hold dictionaries": Shape(
        _HEAD
        + """class Layer:
    def __init__(self, inputs, units):
        self.params = {"W": start(inputs, units), "b": np.zeros(units)}
        self.grads = {}


class Net:
    def __init__(self):
        self.layers = [Layer(6, 7), Layer(7, 4)]

    def predict(self, x):
        z1 = «first»
        self.a1 = a1 = «hidden»
        z2 = «second»
        return «output»

    def loss(self, x, y):
        p = self.predict(x)
        return «loss»

    def gradient(self, x, y):
        p, a1 = self.predict(x), self.a1
        d2 = «delta»
        d1 = «back»
        self.layers[0].grads = {"W": «dW1», "b": «db1»}
        self.layers[1].grads = {"W": «dW2», "b": «db2»}

    def train_step(self, x, y, lr=«rate»):
        self.gradient(x, y)
        for layer in self.layers:
            for key in layer.params:
                layer.params[key] -= lr * layer.grads[key]


net = Net()
""",
        rows=True,
    ),
    "two-layer class with a dictionary": Shape(
        _HEAD
        + """class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size):
        self.params = {}
        self.params["W1"] = start(input_size, hidden_size)
        self.params["b1"] = np.zeros(hidden_size)
        self.params["W2"] = start(hidden_size, output_size)
        self.params["b2"] = np.zeros(output_size)

    def predict(self, x):
        z1 = «first»
        self.a1 = a1 = «hidden»
        z2 = «second»
        return «output»

    def loss(self, X, y):
        x = X
        p = self.predict(x)
        a1 = self.a1
        d2 = «delta»
        d1 = «back»
        return «loss», {"W1": «dW1», "b1": «db1», "W2": «dW2», "b2": «db2»}

    def train(self, X, y):
        loss, grads = self.loss(X, y)
        for key in self.params:
            self.params[key] -= «rate» * grads[key]
        return loss
""",
        rows=True,
        bind=("make=TwoLayerNet(6, 7, 4)", "grads=self.loss(x, y)"),
    ),
    "named attributes": Shape(
        _HEAD
        + """class NeuralNetwork:
    def __init__(self, inputs=6, hidden=7, outputs=4, lr=«rate»):
        self.lr = lr
        self.weight_h = start(hidden, inputs)
        self.bias_h = np.zeros((hidden, 1))
        self.weight_o = start(outputs, hidden)
        self.bias_o = np.zeros((outputs, 1))

    def query(self, inputs):
        x = inputs
        z1 = «first»
        self.a1 = a1 = «hidden»
        z2 = «second»
        return «output»

    def error(self, inputs, targets):
        x, y, p = inputs, targets, self.query(inputs)
        return «loss»

    def gradients(self, inputs, targets):
        x, y, p = inputs, targets, self.query(inputs)
        a1 = self.a1
        d2 = «delta»
        d1 = «back»
        return «dW1», «db1», «dW2», «db2»

    def train(self, inputs, targets):
        for name, gradient in zip(("weight_h", "bias_h", "weight_o", "bias_o"), self.gradients(inputs, targets)):
            setattr(self, name, getattr(self, name) - self.lr * gradient)
""",
        rows=False,
        name="NeuralNetwork",
    ),
    "step alone": Shape(
        _HEAD
        + """class MLP:
    def __init__(self):
        self.W = [start(6, 7), start(7, 4)]
        self.b = [np.zeros((1, 7)), np.zeros((1, 4))]

    def __call__(self, x):
        z1 = «first»
        self.a1 = a1 = «hidden»
        z2 = «second»
        return «output»

    def train_on_batch(self, x, y, lr):
        p, a1 = self(x), self.a1
        d2 = «delta»
        d1 = «back»
        for i, (g, h) in enumerate([(«dW1», «db1»), («dW2», «db2»)]):
            self.W[i] -= lr * g
            self.b[i] -= lr * h


mlp = MLP()
""",
        rows=True,
    ),
}

_WEIGHTS = {
    "dictionary and functions": ('params["W1"]', 'params["b1"]', 'params["W2"]', 'params["b2"]'),
    "module globals": ("W1", "b1", "W2", "b2"),
    "object with parallel lists": ("self.weights[0]", "self.biases[0]", "self.weights[1]", "self.biases[1]"),
    "layers with attributes": (
        *("self.layers[0].weights", "self.layers[0].biases"),
        *("self.layers[1].weights", "self.layers[1].biases"),
    ),
    "layers that hold dictionaries": (
        *('self.layers[0].params["W"]', 'self.layers[0].params["b"]'),
        *('self.layers[1].params["W"]', 'self.layers[1].params["b"]'),
    ),
    "two-layer class with a dictionary": (
        *('self.params["W1"]', 'self.params["b1"]', 'self.params["W2"]', 'self.params["b2"]'),
    ),
    "named attributes": ("self.weight_h", "self.bias_h", "self.weight_o", "self.bias_o"),
    "step alone": ("self.W[0]", "self.b[0]", "self.W[1]", "self.b[1]"),
}


class Fault(NamedTuple):
    """A mistake: what stands in which gap where examples are rows and columns, what is said of it, where it shows."""

    gaps: dict[str, tuple[str, str]]
    mistake: str
    first: str


FAULTS = {
    "loss summed": Fault({"loss": ("-np.sum(y * np.log(p))", "-np.sum(y * np.log(p))")}, "loss_scale", "loss"),
    "loss over classes too": Fault({"loss": ("-np.mean(y * np.log(p))",) * 2}, "loss_scale", "loss"),
    "loss sign": Fault(
        {"loss": ("np.sum(y * np.log(p)) / len(x)", "np.sum(y * np.log(p)) / x.shape[1]")}, "loss_sign", "loss"
    ),
    "gradient summed": Fault({"delta": ("p - y",) * 2}, "gradient_scale", "own gradient"),
    "divided twice": Fault(
        {"delta": ("(p - y) / len(x) ** 2", "(p - y) / x.shape[1] ** 2")}, "gradient_scale", "own gradient"
    ),
    "gradient sign": Fault({"delta": ("(y - p) / len(x)", "(y - p) / x.shape[1]")}, "gradient_sign", "own gradient"),
    "bias mean": Fault(
        {
            "db1": ("d1.mean(axis=0)", "d1.mean(axis=1, keepdims=True)"),
            "db2": ("d2.mean(axis=0)", "d2.mean(axis=1, keepdims=True)"),
        },
        "bias_gradient_scale",
        "own gradient",
    ),
    "bias over all": Fault(
        {"db1": ("np.full(7, d1.sum())", "np.full((7, 1), d1.sum())")}, "bias_gradient_axis", "own gradient"
    ),
    "no derivative": Fault({"back": ("d2 @ {W2}.T", "{W2}.T @ d2")}, "derivative_left_out", "own gradient"),
    "derivative of the sum": Fault(
        {"back": ("d2 @ {W2}.T * (1 - np.tanh(a1) ** 2)", "{W2}.T @ d2 * (1 - np.tanh(a1) ** 2)")},
        "derivative_at_output",
        "own gradient",
    ),
    "softmax over the batch": Fault(
        {"output": ("softmax(z2, 0)", "softmax(z2, 1)")}, "softmax_over_batch", "prediction"
    ),
    "softmax twice": Fault(
        {"output": ("softmax(softmax(z2, 1), 1)", "softmax(softmax(z2, 0), 0)")}, "softmax_twice", "prediction"
    ),
    "logarithm of a softmax of probabilities": Fault(
        {
            "loss": (
                "-np.sum(y * np.log(softmax(p, 1))) / len(x)",
                "-np.sum(y * np.log(softmax(p, 0))) / x.shape[1]",
            )
        },
        "softmax_twice",
        "loss",
    ),
    "logarithm of shifted probabilities": Fault(
        {"loss": ("-np.sum(y * np.log(p + 1e-3)) / len(x)", "-np.sum(y * np.log(p + 1e-3)) / x.shape[1]")},
        "probability_shift",
        "loss",
    ),
    "diagonal of the softmax": Fault(
        {"delta": ("-y * (1 - p) / len(x)", "-y * (1 - p) / x.shape[1]")}, "softmax_jacobian", "own gradient"
    ),
    "smoothed labels": Fault(
        {
            "loss": (
                "-np.sum((0.9 * y + 0.025) * np.log(p)) / len(x)",
                "-np.sum((0.9 * y + 0.025) * np.log(p)) / x.shape[1]",
            )
        },
        "label_smoothing",
        "loss",
    ),
    "logarithm of barely shifted probabilities": Fault(
        {"loss": ("-np.sum(y * np.log(p + 1e-5)) / len(x)", "-np.sum(y * np.log(p + 1e-5)) / x.shape[1]")},
        "probability_shift",
        "loss",
    ),
    "half in the forward pass": Fault(
        {"second": ("a1 @ {W2} / 2 + {b2}", "{W2} @ a1 / 2 + {b2}")}, "forward_scale", "prediction"
    ),
    "bias left out": Fault({"first": ("x @ {W1}", "{W1} @ x")}, "bias_left_out", "prediction"),
    "sigmoid for tanh": Fault({"hidden": ("1 / (1 + np.exp(-z1))",) * 2}, "other_activation", "prediction"),
    "normal weights": Fault({"start": ("np.random.randn(*size)",) * 2}, "initial_weights", "weights"),
    "another rate": Fault({"rate": ("0.01",) * 2}, "learning_rate", "update"),
}


def written(shape: str, *faults: str) -> str:
    """Return the text of a program with mistakes in it."""
    template = SHAPES[shape]
    gaps = dict(ROWS if template.rows else COLUMNS)
    for fault in faults:
        gaps |= {gap: ways[0 if template.rows else 1] for gap, ways in FAULTS[fault].gaps.items()}
    names = dict(zip(("W1", "b1", "W2", "b2"), _WEIGHTS[shape], strict=True))
    text = template.text
    for gap, code in gaps.items():
        for name, own in names.items():
            code = code.replace("{" + name + "}", own)
        text = text.replace(f"«{gap}»", code)
    assert "«" not in text, text
    return text


KERAS = """import keras


def build():
    layers = [keras.Input((6,)), keras.layers.Dense(7, activation="tanh"), keras.layers.Dense(4, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="categorical_crossentropy")
    return model
"""
