"""Public disputes about RMSprop, by the choice that caused them: who met whom, and where one can read it."""

from typing import Any, Final, NamedTuple

from parity.case.rule import DEFAULT


class Dispute(NamedTuple):
    """One thread: what was compared, when the difference shows, and its address."""

    about: str
    shows: str
    link: str


_GITHUB = "https://github.com/"
_BY_CHOICE: Final[dict[tuple[str, Any], list[Dispute]]] = {
    ("epsilon_place", "outside"): [
        Dispute("Keras against torch and MXNet", "small gradients", f"{_GITHUB}keras-team/keras/issues/17391"),
        Dispute("torch against TensorFlow", "epsilon from 1e-3 to 1", f"{_GITHUB}pytorch/pytorch/issues/23796"),
        Dispute("TensorFlow against its own text", "large epsilon", f"{_GITHUB}tensorflow/tensorflow/issues/58412"),
        Dispute("optax against torch (IMPALA)", "epsilon 0.01", f"{_GITHUB}google-deepmind/optax/issues/532"),
        Dispute("Chainer against TensorFlow", "epsilon 1 (Inception)", f"{_GITHUB}chainer/chainer/issues/4754"),
    ],
    ("epsilon_place", "none"): [
        Dispute("MXNet against torch and Caffe", "the first steps", f"{_GITHUB}apache/mxnet/issues/4493")
    ],
    ("second_moment_start", 1.0): [
        Dispute("optax against TF1 and Keras", "100 steps", f"{_GITHUB}google-deepmind/optax/issues/49"),
        Dispute("jax against Keras and torch", "the first steps", f"{_GITHUB}jax-ml/jax/issues/975"),
        Dispute("a user against TF1's text", "the first steps", f"{_GITHUB}tensorflow/tensorflow/issues/40670"),
    ],
    ("learning_rate_place", "outside"): [
        Dispute("torch against TensorFlow", "momentum and a changing rate", f"{_GITHUB}pytorch/pytorch/issues/32545"),
        Dispute("two forms of momentum", "a changing rate", f"{_GITHUB}tensorflow/tensorflow/issues/903"),
        Dispute("two forms of momentum", "a changing rate", f"{_GITHUB}pytorch/pytorch/issues/1099"),
    ],
    ("state_carried", False): [
        Dispute("a NumPy optimizer against tf.keras", "the second step", "https://discuss.ai.google.dev/t/30155")
    ],
    ("schedule_origin", 1): [
        Dispute("where the count of steps starts", "decay and resuming", f"{_GITHUB}tensorflow/tensorflow/issues/49208")
    ],
    ("arithmetic", "float64"): [
        Dispute("NumPy 1 against NumPy 2", "float32 scalars", f"{_GITHUB}numpy/numpy/issues/21103")
    ],
    ("division", "rsqrt"): [Dispute("eager against compiled", "the last bits", f"{_GITHUB}openxla/xla/issues/22116")],
    ("epsilon", None): [
        Dispute("Lua torch against TensorFlow", "epsilon 1e-2 against 1e-4", f"{_GITHUB}torch/optim/issues/149")
    ],
    ("rho", None): [
        Dispute("SB3 against SB2 (A2C)", "rho 0.99, epsilon 1e-5", f"{_GITHUB}DLR-RM/stable-baselines3/pull/110")
    ],
}
_BY_CHOICE["state_carried", "momentum_only"] = _BY_CHOICE["state_carried", False]


def disputes(switches: dict[str, Any], numbers: dict[str, float], rule: str = DEFAULT) -> list[Dispute]:
    """Return the threads about any of these choices; all are about RMSprop."""
    if rule != DEFAULT:
        return []
    found = [dispute for choice in switches.items() for dispute in _BY_CHOICE.get(choice, [])]
    return found + [dispute for name in numbers for dispute in _BY_CHOICE.get((name, None), [])]
