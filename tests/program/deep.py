"""A dense program of any depth with gaps for its mistakes, and the Keras model beside it."""

DEEP = """import numpy as np

rng = np.random.default_rng(0)
sizes = «sizes»
kinds = «kinds»
W = [rng.uniform(-1, 1, (i, o)) * np.sqrt(6 / (i + o)) for i, o in zip(sizes[:-1], sizes[1:])]
b = [np.zeros(o) for o in sizes[1:]]


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def act(kind, z):
    if kind == "relu":
        return np.maximum(z, 0)
    if kind == "elu":
        return np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1)
    if kind == "leaky_relu":
        return np.where(z > 0, z, «leak» * z)
    known = {"tanh": np.tanh, "sigmoid": sigmoid, "softmax": softmax}
    return known[kind](z) if kind in known else z


def slope(kind, z, a):
    if kind == "tanh":
        return 1 - a**2
    if kind == "sigmoid":
        return a * (1 - a)
    low = {"relu": 0.0, "elu": «elu», "leaky_relu": «leak»}
    return np.where(z > 0, 1.0, low.get(kind, 1.0))


def run(x):
    zs, outs = [], [x]
    for i, (w, c) in enumerate(zip(W, b)):
        z = «sum»
        a = «out»
        zs.append(z)
        outs.append(a)
    return zs, outs


def forward(x):
    zs, outs = run(x)
    return outs[-1]


def loss(x, y):
    p = forward(x)
    return «loss»


def gradients(x, y):
    zs, outs = run(x)
    p = outs[-1]
    d = «delta»
    gw, gb = [None] * len(W), [None] * len(W)
    for i in range(len(W) - 1, -1, -1):
        gw[i] = «gw»
        gb[i] = d.sum(axis=0)
        if i:
            d = (d @ W[i].T) * «slope»
    return «returned»


def step(x, y):
    gw, gb = «taken»
    for i in range(len(W)):
        W[i] = W[i] - 0.05 * gw[i]
        b[i] = b[i] - 0.05 * gb[i]
"""
_RIGHT = {
    "leak": "0.2",
    "elu": "a + 1",
    "sum": "outs[-1] @ w + c",
    "out": "act(kinds[i], z)",
    "loss": "-np.mean(np.sum(y * np.log(p), axis=1))",
    "delta": "(p - y) / len(x)",
    "gw": "outs[i].T @ d",
    "slope": "slope(kinds[i - 1], zs[i - 1], outs[i])",
    "returned": "gw, gb",
    "taken": "gradients(x, y)",
}
TANH = ((8, 12, 11, 10, 9, 7, 4), ("tanh",) * 5 + ("softmax",))
BENT = ((6, 9, 8, 4), ("elu", "leaky_relu", "softmax"))
EVEN = ((6, 6, 6, 6), ("tanh", "tanh", "softmax"))
COIN = ((6, 9, 1), ("tanh", "sigmoid"))
LOGITS = ((6, 9, 4), ("relu", "linear"))
BINARY = {
    "loss": "-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))",
}
PENALISED = {
    "loss": "-np.mean(np.sum(y * np.log(p), axis=1)) + 0.01 * sum(np.sum(w**2) for w in W)",
    "gw": "outs[i].T @ d + 0.02 * W[i]",
}
SIGMOIDS = ((6, 9, 8, 4), ("sigmoid", "sigmoid", "softmax"))
MIXED = ((6, 9, 8, 4), ("tanh", "sigmoid", "softmax"))
LEAKING = ((6, 9, 8, 4), ("leaky_relu", "leaky_relu", "softmax"))
SWITCH = ((6, 9, 8, 1), ("relu", "relu", "sigmoid"))
SQUARES = ((6, 9, 8, 4), ("sigmoid", "sigmoid", "sigmoid"))
L2 = "keras.regularizers.L2({})"

Net = tuple[tuple[int, ...], tuple[str, ...]]


def program(net: Net, **gaps: str) -> str:
    """Return the program's text."""
    text = DEEP.replace("«sizes»", repr(list(net[0]))).replace("«kinds»", repr(list(net[1])))
    for gap, code in (_RIGHT | gaps).items():
        text = text.replace(f"«{gap}»", code)
    return text


def narrow(text: str) -> str:
    """Return a program that computes in float32, whatever its weights are set to."""
    single = "np.float32({})".format
    text = text.replace("outs[-1] @ w + c", f"{single('outs[-1]')} @ {single('w')} + {single('c')}")
    text = text.replace("def gradients(x, y):", "def gradients(x, y):\n    x, y = np.float32(x), np.float32(y)")
    return text.replace("@ W[i].T", f"@ {single('W[i].T')}")


def model(
    net: Net, loss: str = '"categorical_crossentropy"', penalty: str = "None", kinds: tuple[str, ...] = ()
) -> str:
    """Return the model's file."""
    layers = [
        f'k.Dense({units}, activation="{kind}", kernel_regularizer={penalty})'
        for units, kind in zip(net[0][1:], kinds or net[1], strict=True)
    ]
    return (
        "import keras\n\n\ndef build():\n    k = keras.layers\n"
        f"    model = keras.Sequential([keras.Input(({net[0][0]},)), {', '.join(layers)}])\n"
        f"    model.compile(optimizer=keras.optimizers.SGD(0.05), loss={loss})\n    return model\n"
    )
