"""tf.keras, one step at a time: eagerly, in a ``tf.function``, or compiled by XLA.

Departs from the reference page in nothing but rounding. Keras calls the second moment *velocity* and the first moment
*average_gradient*; tensor names lose their slashes, which Keras does not allow in a variable's name.
"""

import copy
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from msgspec import structs

from parity.case.spec import Cell, Hyperparameters
from parity.errors import UnsupportedError
from parity.problem.problems import MlpProblem, Problem, QuadraticProblem, Slices
from parity.subjects.adapter import EVERYTHING, Own, Taken, Tensors
from parity.subjects.schedules import learning_rate

Mode = Literal["eager", "graph", "xla"]

GRAPPLER = (
    "Grappler's arithmetic_optimization, which rewrites a division by a root as a product with its reciprocal root"
)
EXAMPLES = 64
"""Examples that become tensors at a time, unless one batch has more."""
_AROUND = {"_model_variables_moving_average": "average", "_accumulated_gradients": "accumulated_gradient"}


class Row(NamedTuple):
    """A rule as Keras has it: the class in ``keras.optimizers``, and which of its attributes hold which slots.

    An attribute is a list with a variable for each tensor, None where it has none, or one variable that all of them
    share. ``ranks`` says how many dimensions a tensor needs for a slot that fewer leave unused.
    """

    kind: str
    slots: dict[str, str]
    ranks: Mapping[str, int] = MappingProxyType({})


_ADAM = {"_momentums": "first_moment", "_velocities": "second_moment", "_velocity_hats": "second_moment_max"}
ROWS: dict[str, Row] = {
    "rmsprop": Row(
        "RMSprop",
        {"_velocities": "second_moment", "_average_gradients": "first_moment", "_momentums": "momentum_buffer"},
    ),
    "sgd": Row("SGD", {"momentums": "momentum_buffer"}),
    "adam": Row("Adam", _ADAM),
    "adamw": Row("AdamW", _ADAM),
    "adamax": Row("Adamax", {"_m": "first_moment", "_u": "infinity_norm"}),
    "nadam": Row(
        "Nadam", {"_momentums": "first_moment", "_velocities": "second_moment", "_u_product": "momentum_product"}
    ),
    "adagrad": Row("Adagrad", {"_accumulators": "sum_of_squares"}),
    "adadelta": Row("Adadelta", {"_accumulated_grads": "second_moment", "_accumulated_delta_vars": "change_moment"}),
    "lion": Row("Lion", {"_momentums": "first_moment"}),
    "ftrl": Row("Ftrl", {"_accumulators": "sum_of_squares", "_linears": "linear"}),
    "adafactor": Row(
        "Adafactor",
        {"_r": "row_moment", "_c": "column_moment", "_v": "second_moment"},
        {"row_moment": 2, "column_moment": 2},
    ),
    "lamb": Row("Lamb", {"_momentums": "first_moment", "_velocities": "second_moment"}),
    "muon": Row("Muon", {"momentums": "first_moment", "adam_velocities": "second_moment"}),
    "schedule_free_adamw": Row("ScheduleFreeAdamW", {"_momentums": "base_iterate", "_velocities": "second_moment"}),
}
"""What is known of each rule; another one is UNSUPPORTED."""
_LEAST_RANKS = {(row.kind, slot): rank for row in ROWS.values() for slot, rank in row.ranks.items()}


class _Traced:
    """A ``tf.function`` called by its concrete functions, one for each set of shapes: never traced twice.

    Each is called with flat tensors: to bind arguments to a signature costs as much as a small optimizer's step.
    """

    def __init__(self, tf: Any, function: Callable[..., Any], jit_compile: bool) -> None:
        self._flatten = tf.nest.flatten
        self._function = tf.function(function, jit_compile=jit_compile)
        self._concrete: dict[Any, Any] = {}

    def __call__(self, *inputs: Any) -> Any:
        flat = self._flatten(inputs, expand_composites=True)
        key = tuple(tensor.shape for tensor in flat)
        if key not in self._concrete:
            self._concrete[key] = self._function.get_concrete_function(*inputs)
        concrete = self._concrete[key]
        return concrete.inference_fn.call_preflattened([*flat, *concrete.captured_inputs])


class KerasSubject:
    """An optimizer of ``keras.optimizers`` on Keras variables, in one of three execution modes."""

    def __init__(self, mode: Mode, rewrites: bool = True, own: Own | None = None) -> None:
        self._mode, self._rewrites, self._own = mode, rewrites, own
        self._tf: Any = None
        self._begun = False
        self._fed: dict[int, tuple[Any, ...]] = {}
        self.resolved = ""
        self.circumstances: dict[str, Any] = {}

    @property
    def mode(self) -> Mode:
        """How its steps run."""
        return self._mode

    @property
    def own(self) -> Own | None:
        """Somebody's class, None where it is Keras' own."""
        return self._own

    def slots_of(self, rule: str) -> dict[str, str]:
        """Return which attributes of the optimizer hold which slots, once it is open."""
        return names_of(rule) if self._own is None else own_slots(rule, self._inner)

    @property
    def ablations(self) -> dict[str, Callable[[], "KerasSubject"]]:
        """Return what may be turned off to explain a difference: the reason, and the subject without it."""
        return {GRAPPLER: self._unrewritten} if self._mode == "graph" else {}

    knows: Final = EVERYTHING
    """What may stand around an update."""

    def open(self, problem: Problem) -> None:
        """Build variables and optimizer, then the step function of the mode."""
        if self._own is None:
            row_of(problem.cell.rule)
        import tensorflow as tf

        self._tf, self._problem, self._fed = tf, problem, {}
        set_rewrites(tf, self._rewrites)
        if self._begun:
            rewind(self._variables, self._optimizer, problem)
        else:
            self._build(problem)
        self.circumstances = keras_circumstances(tf) | {"mode": self._mode, "arithmetic_optimization": self._rewrites}
        self.circumstances |= told(problem.cell, self._own, WHERE[self._mode])

    def _build(self, problem: Problem) -> None:
        self._model = build_model(problem) if isinstance(problem, MlpProblem) else None
        self._variables = model_variables(self._model, problem) if self._model else plain_variables(problem)
        constrain(self._variables, problem.cell)
        self._inner = optimizer_of(problem.cell, self._own)
        self._optimizer = around(self._inner, problem.cell)
        self._optimizer.build(list(self._variables.values()))
        names = self.slots_of(problem.cell.rule)
        self._shown = Shown(self._tf, names, self._inner, self._variables, scaling(self._optimizer, self._inner))
        self._applies: dict[tuple[frozenset[str], ...], Callable[[list[Any]], None]] = {}
        self._train = self._compiled(self._train_step)
        self.resolved = describe(self._optimizer)

    def _unrewritten(self) -> "KerasSubject":
        """Return this subject without the rewrites: with its graphs, which are optimized anew, from its start.

        Somebody's class may change what no variable holds while it is traced, so that it is built and traced again.
        """
        if self._own is not None or self._tf is None:
            return KerasSubject(self._mode, False, self._own)
        again = copy.copy(self)
        again._rewrites, again._begun = False, True
        return again

    def step(self, number: int, gradients: Tensors | None) -> Taken:
        """Apply the replayed gradients, or differentiate the model and apply what comes out."""
        if gradients is not None:
            slices, out = self._problem.slices(number), (self._problem.absent(number), self._problem.frozen(number))
            if out not in self._applies:
                self._applies[out] = self._compiled(partial(self._apply_gradients, *out))
            present = [name for name in self._variables if name not in out[0] | out[1]]
            self._applies[out]([self._tensor(gradients[name], slices.get(name)) for name in present])
            return Taken()
        loss, own = self._train(*self._inputs(number))
        return Taken(float(loss), {name: np.asarray(g) for name, g in zip(self._variables, own, strict=True)})

    def read(self) -> dict[str, Tensors]:
        """Return views of the variables as they are now."""
        # Not as outputs of the step: Grappler rewrites a graph that reads its variables once more to other bits.
        return self._shown.read()

    def close(self) -> None:
        """Turn the graph rewrites on again, as TensorFlow has them."""
        if self._tf is not None:
            set_rewrites(self._tf, True)

    def _compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if self._mode == "eager":
            return function
        return _Traced(self._tf, function, jit_compile=self._mode == "xla")

    def _apply_gradients(self, absent: frozenset[str], frozen: frozenset[str], gradients: list[Any]) -> None:
        """Apply the gradients of the tensors that are trained, None where one is absent; each two sets are a graph."""
        left = iter(gradients)
        trained = {name: variable for name, variable in self._variables.items() if name not in frozen}
        self._optimizer.apply([None if name in absent else next(left) for name in trained], list(trained.values()))

    def _train_step(self, *inputs: Any) -> tuple[Any, list[Any]]:
        tf = self._tf
        variables = list(self._variables.values())
        with tf.GradientTape() as tape:
            loss = self._loss(*inputs)
            scaled = self._optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, [variable.value for variable in variables])
        self._optimizer.apply(gradients, variables)
        return loss, gradients

    def _loss(self, *inputs: Any) -> Any:
        tf = self._tf
        if self._model is not None:
            import keras

            x, y = inputs
            return tf.reduce_mean(keras.losses.categorical_crossentropy(y, self._model(x, training=True)))
        assert isinstance(self._problem, QuadraticProblem)
        total = []
        for name, variable in self._variables.items():
            distance = variable.value - tf.constant(self._problem.target[name])
            total.append(tf.reduce_sum(0.5 * (tf.constant(self._problem.curvature[name]) * distance) * distance))
        return tf.add_n(total)

    def _tensor(self, gradient: Any, part: Slices | None) -> Any:
        tf = self._tf
        if part is None:
            return tf.constant(gradient)
        return tf.IndexedSlices(tf.constant(part.values), tf.constant(part.rows), tf.constant(gradient.shape))

    def save(self) -> Any:
        """Return copies of the weights and of what Keras saves of an optimizer."""
        store: dict[str, Any] = {}
        self._optimizer.save_own_variables(store)
        return [np.array(v.numpy()) for v in self._variables.values()], {k: np.array(v) for k, v in store.items()}

    def restore(self, saved: Any) -> None:
        """Take up what ``save`` of another instance returned, as Keras loads it."""
        weights, store = saved
        for variable, value in zip(self._variables.values(), weights, strict=True):
            variable.assign(value)
        self._optimizer.load_own_variables(store)

    def _inputs(self, number: int) -> tuple[Any, ...]:
        """Return what the model is fed with at a step; that of some more steps is made with it, code being warm."""
        if not isinstance(self._problem, MlpProblem):
            return ()
        if number not in self._fed:
            count = max(1, EXAMPLES // self._problem.spec.batch_size)
            batches = {at: self._problem.batch(at) for at in range(number, number + count)}
            self._fed = {
                at: (self._tf.constant(b.x), self._tf.constant(self._problem.one_hot(b.y))) for at, b in batches.items()
            }
        return self._fed[number]


def set_rewrites(tf: Any, enabled: bool) -> None:
    """Turn Grappler's arithmetic_optimization on or off for functions traced from now on."""
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": enabled})


def build_model(problem: MlpProblem) -> Any:
    """Return the question's model, a Sequential of Dense layers, with the case's weights."""
    import keras

    sizes = problem.spec.layers
    dtype = problem.cell.dtype
    layers: list[Any] = [keras.layers.Input((sizes[0],), dtype=dtype)]
    layers += [keras.layers.Dense(units, activation="relu", dtype=dtype) for units in sizes[1:-1]]
    model = keras.Sequential([*layers, keras.layers.Dense(sizes[-1], activation="softmax", dtype=dtype)])
    model.set_weights(list(problem.params.values()))
    return model


def model_variables(model: Any, problem: Problem) -> dict[str, Any]:
    """Return the model's variables under the case's tensor names."""
    return dict(zip(problem.params, model.trainable_variables, strict=True))


def plain_variables(problem: Problem) -> dict[str, Any]:
    """Return one Keras variable for each tensor of the case."""
    import keras

    return {
        name: keras.Variable(array, dtype=problem.cell.dtype, name=name.replace("/", "_"))
        for name, array in problem.params.items()
    }


def constrain(variables: Mapping[str, Any], cell: Cell) -> None:
    """Give the variables the constraints that a case has."""
    if not cell.constraints:
        return
    import keras

    for name, each in cell.constraints.items():
        given = {field: getattr(each, field) for field in each.__struct_fields__}
        variables[name].constraint = getattr(keras.constraints, type(each).__name__)(**given)


def rewind(variables: Mapping[str, Any], optimizer: Any, problem: Problem) -> None:
    """Give the variables of a case, and those of Keras' optimizer for it, the values of before the first step."""
    for name, variable in variables.items():
        variable.assign(problem.params[name])
    fresh = around(optimizer_of(problem.cell, None), problem.cell)
    fresh.build(list(variables.values()))
    for variable, start in zip(optimizer.variables, fresh.variables, strict=True):
        variable.assign(start)


def row_of(rule: str) -> Row:
    """Return what is known of a rule.

    Raises:
        UnsupportedError: it is no rule of Keras.
    """
    if rule not in ROWS:
        raise UnsupportedError(f"tf.keras has no optimizer for the rule {rule!r}. Known: {', '.join(ROWS)}.")
    return ROWS[rule]


def optimizer_of(cell: Cell, own: Own | None) -> Any:
    """Return the optimizer of a case: Keras' own for its rule, or somebody's class with what it takes of the arguments.

    Raises:
        AbsentArgumentError: the class lacks an argument that the case sets.
    """
    if own is None:
        return build_optimizer(cell.rule, cell.hyperparameters)
    import keras

    given = structs.replace(cell.hyperparameters, exclude_from_weight_decay=[])
    bound = own.bound(given)
    values = dict(bound.values)
    values.pop("exclude_from_weight_decay", None)
    for name, value in values.items():
        if callable(value):
            values[name] = learning_rate(keras.optimizers.schedules, given.learning_rate)
    optimizer = own.kind(**bound.passing(values))
    if cell.hyperparameters.exclude_from_weight_decay:
        optimizer.exclude_from_weight_decay(var_names=list(cell.hyperparameters.exclude_from_weight_decay))
    return optimizer


def around(optimizer: Any, cell: Cell) -> Any:
    """Return an optimizer behind the loss scale that a case has, or as it is where it has none."""
    given = cell.loss_scale
    if given is None:
        return optimizer
    import keras

    return keras.optimizers.LossScaleOptimizer(optimizer, given.initial_scale, given.dynamic_growth_steps)


def scaling(optimizer: Any, inner: Any) -> dict[str, Any]:
    """Return the variables of the loss scale around an optimizer by slot; none where nothing is around it."""
    if optimizer is inner:
        return {}
    # The property `iterations` counts updates where gradients accumulate, not steps.
    counts = {"finite_steps": optimizer.step_counter, "updates": inner._iterations}
    return {"loss_scale": optimizer.dynamic_scale, **counts}


WHERE: dict[str, str] = {"eager": "eagerly", "graph": "in a tf.function", "xla": "compiled by XLA"}
"""How the steps of a mode run, in words."""


_UNTOLD = ("name", "decay")
"""What any optimizer of Keras takes that changes no step: its name, and the rate's decay of long ago, which raises."""


def told(cell: Cell, own: Own | None, where: str) -> dict[str, str]:
    """Return how somebody's optimizer is driven and what it is passed, in words; nothing where it is Keras' own."""
    title = f"a subclass of keras.optimizers.Optimizer, apply(grads, params) {where}"
    return {} if own is None else own.told(title, cell.hyperparameters, _UNTOLD)


def own_slots(rule: str, optimizer: Any) -> dict[str, str]:
    """Return which attributes of somebody's optimizer hold which slots of a rule, as far as Keras' names tell.

    One that names a variable otherwise than Keras' own optimizer for the rule names all of its variables, as far as is
    known here, in a way of its own: then what is around every rule is shown alone.
    """
    words = {_singular(attribute): slot for attribute, slot in row_of(rule).slots.items()} if rule in ROWS else {}
    held = {
        attribute: value
        for attribute, value in vars(optimizer).items()
        if attribute not in _AROUND and isinstance(value, list | tuple) and value and _is_of(optimizer, value)
    }
    ends = {attribute: next((w for w in words if _ends(value, w)), "") for attribute, value in held.items()}
    found = {attribute: words[word] for attribute, word in ends.items() if word}
    own = found if len(found) == len(ends) == len(set(found.values())) else {}
    return {**own, **_AROUND}


def _singular(attribute: str) -> str:
    """Return what Keras calls each variable of a list: ``_velocities`` holds a velocity for each tensor."""
    return re.sub(r"ies$", "y", attribute.strip("_")).removesuffix("s")


def _is_of(optimizer: Any, values: Sequence[Any]) -> bool:
    """Whether they are a variable of the optimizer for each tensor, of its shape."""
    tensors, own = optimizer._trainable_variables, {id(variable) for variable in optimizer.variables}
    return len(values) == len(tensors) and all(
        id(value) in own and value.shape == tensor.shape for value, tensor in zip(values, tensors, strict=True)
    )


def _ends(variables: Sequence[Any], word: str) -> bool:
    return all(variable.name == word or variable.name.endswith(f"_{word}") for variable in variables)


def names_of(rule: str) -> dict[str, str]:
    """Return which attributes of Keras' own optimizer for a rule hold which slots."""
    return {**row_of(rule).slots, **_AROUND}


def build_optimizer(rule: str, given: Hyperparameters) -> Any:
    """Return the optimizer of ``keras.optimizers`` for a rule, with every argument passed explicitly."""
    import keras

    row = row_of(rule)
    arguments = {name: getattr(given, name) for name in given.__struct_fields__}
    excluded = arguments.pop("exclude_from_weight_decay")
    arguments["learning_rate"] = learning_rate(keras.optimizers.schedules, given.learning_rate)
    optimizer = getattr(keras.optimizers, row.kind)(**arguments)
    if excluded:
        optimizer.exclude_from_weight_decay(var_names=list(excluded))
    return optimizer


class Shown:
    """The variables that a subject shows, looked up once: parameters, and slots that the optimizer uses.

    ``numbers`` are variables that stand around it by slot: one for all tensors, each shown in the dtype of a tensor.
    """

    def __init__(
        self,
        tf: Any,
        names: Mapping[str, str],
        optimizer: Any,
        variables: Mapping[str, Any],
        numbers: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._read = tf.raw_ops.ReadVariableOp
        listed = {"parameter": list(variables.values())}
        for attribute, slot in names.items():
            found = getattr(optimizer, attribute, None)
            # To compare a variable with a list is an operation of TensorFlow.
            if isinstance(found, list) and found:
                listed[slot] = found
            elif found is not None and not isinstance(found, list):
                listed[slot] = [found] * len(variables)
        held = {
            slot: [
                (name, v.value.handle, v.value.dtype, len(v.shape))
                for (name, w), v in zip(variables.items(), found, strict=True)
                if v is not None and len(w.shape) >= _LEAST_RANKS.get((type(optimizer).__name__, slot), 0)
            ]
            for slot, found in listed.items()
        }
        # A slot that no tensor of the case has is none of the rule's there.
        self._held = {slot: each for slot, each in held.items() if each}
        self._numbers = numbers
        self._dtypes = {name: np.dtype(w.dtype) for name, w in variables.items()} if numbers else {}

    def read(self) -> dict[str, Tensors]:
        """Return the buffers as they are, without a copy; TensorFlow makes others if it writes while somebody looks."""
        shown: dict[str, Tensors] = {
            slot: {name: _array(self._read(resource=handle, dtype=dtype), rank) for name, handle, dtype, rank in held}
            for slot, held in self._held.items()
        }
        for slot, variable in self._numbers.items():
            number = variable.numpy()
            shown[slot] = {name: np.asarray(number).astype(dtype) for name, dtype in self._dtypes.items()}
        return shown


def _array(tensor: Any, rank: int) -> Any:
    # np.asarray raises for a bfloat16 scalar, whose __array__ yields no array (tensorflow/python/framework/ops.py).
    return np.asarray(tensor if rank else tensor.numpy())


def describe(optimizer: Any) -> str:
    """Return the resolved class and its configuration, as Keras reports it; that of one inside it by itself."""
    config = {name: value for name, value in optimizer.get_config().items() if name != "name"}
    inner = config.pop("inner_optimizer", None)
    if isinstance(config.get("learning_rate"), dict):
        config["learning_rate"] = config["learning_rate"]["class_name"]
    shown = ", ".join(f"{name}={value!r}" for name, value in config.items())
    around = "" if inner is None else f" around {describe(optimizer.inner_optimizer)}"
    return f"{type(optimizer).__module__}.{type(optimizer).__name__}({shown}){around}"


def keras_circumstances(tf: Any) -> dict[str, Any]:
    """Return the versions, device and threads that this process computes with."""
    import keras

    return {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "device": tf.config.list_logical_devices()[-1].device_type,
        "machine": platform.machine(),
    }
