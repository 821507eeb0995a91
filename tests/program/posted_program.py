"""A dense network on MNIST, RMSprop, one image at a time."""

import numpy as np
from mnist_reader import load_images

X, Y = load_images("data/", 1000)

LEARNING_RATE = 0.001
RHO = 0.9
EPSILON = 1e-7

W1 = np.random.randn(784, 512)
B1 = np.zeros((1, 512))
W2 = np.random.randn(512, 10)
B2 = np.zeros((1, 10))

cache = [np.ones_like(p) for p in (W1, B1, W2, B2)]


def relu(z):
    return np.maximum(z, 0)


def softmax(z):
    e = np.exp(z - np.max(z))
    return e / np.sum(e)


def forward(x):
    z1 = x @ W1 / 28 * 28 + B1
    a1 = relu(z1)
    z2 = a1 @ W2 / 512 + B2
    return z1, a1, softmax(z2)


def loss(x, y):
    p = np.clip(forward(x)[2], 1e-7, 1 - 1e-7)
    return -np.sum(y * np.log(p))


def backward(x, y):
    z1, a1, p = forward(x)
    d2 = p - y
    d1 = d2 @ W2.T * (z1 > 0)
    return x.T @ d1, d1, a1.T @ d2, d2


def update(grads):
    for i, (param, grad) in enumerate(zip((W1, B1, W2, B2), grads)):
        cache[i] = RHO * cache[i] + (1 - RHO) * grad**2
        param -= LEARNING_RATE * grad / np.sqrt(cache[i] + EPSILON)


for epoch in range(100):
    order = np.random.permutation(len(X))
    total = np.mean([loss(X[i : i + 1], Y[i : i + 1]) for i in range(len(X))])
    print(epoch, total)
    for i in order:
        update(backward(X[i : i + 1], Y[i : i + 1]))
