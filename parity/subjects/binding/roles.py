"""What a parameter of somebody's function is for, told from its name: the weights, their gradient, a state, a count."""

import inspect
import re
from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple

_WORDS: Final[dict[str, str]] = {
    "params": "params parameters param parameter p ps weights weight w ws theta thetas x xs variables variable vars var"
    " values value tensors tensor trainable_variables trainable_weights model_params network_params point x0 w0 p0"
    " x_0 w_0 theta_0 theta0 w_init x_init theta_init init_w init_x init_theta init_params initial_params"
    " initial_weights"
    " initial_w initial_x initial_point initial_guess starting_point start_point x_start w_start wrt",
    "grads": "grads grad gradients gradient g gs dw dws dparams dparam dx dxs dtheta deltas delta d derivatives"
    " derivative updates nabla dp grads_wrt_w wgrad pgrad",
    "pairs": "grads_and_vars grads_and_params grad_var_pairs grads_and_weights gradients_and_variables",
    "pairs back": "params_and_grads params_grads vars_and_grads weights_and_grads variables_and_gradients"
    " parameters_and_gradients param_grad_pairs",
    "state": "state states cache caches config opt_state optimizer_state s v memory h history velocity velocities"
    " moment moments moment1 moment2 moment_1 moment_2 first_moment second_moment m1 m2 m_t v_t mt vt exp_avg"
    " exp_avg_sq",
    "name": "name key layer_name param_name parameter_name tensor_name var_name",
    "index": "index idx i layer_index layer_idx layer_id param_id param_index k j",
    "biases": "bias biases b bs",
    "layer": "layer dense fc this",
    "layers": "layers",
    "model": "model net network nn",
    "loss": "loss cur_loss current_loss cost",
    "rate": "lr learning_rate eta rate step_size stepsize l_rate learn_rate learningrate",
    "count": "t step iteration iterations iter epoch timestep n it count num_updates",
    "gradient_function": "grad_func gradient_func grad_fn gradient_fn df fprime f_prime jac jacobian gradf f_grad"
    " grad_f compute_grad compute_gradient compute_gradients grad_function gradient_function grad_fun gradient_fun"
    " gradfn grd get_grad get_gradient loss_grad grad_loss grad_cost cost_grad dfdx",
    "valued_gradient": "value_and_grad loss_and_grad func_and_grad f_and_grad cost_and_grad",
    "objective": "f fun func fn function obj objective objective_function cost_function cost_fn loss_function loss_fn",
    "steps": "num_iters n_iter num_iterations n_iterations max_iter maxiter num_steps n_steps epochs n_epochs steps"
    " iters niter iteration_number number_of_iterations num_iter n_iters max_iters max_iterations"
    " nsteps max_steps num_epochs total_steps",
    "callback": "callback callback_fn cb on_step",
    "tolerance": "tol tolerance gtol ftol xtol stop_tol",
}
_GRADIENT_BEFORE: Final = (
    *("d", "d_", "deriv_", "delta_", "delta", "dl_d", "dl_d_", "dj_d", "dj_d_", "nabla_"),
    *("grad_", "grads_", "gradient_", "g_"),
)
_GRADIENT_AFTER: Final = (
    *("_grad", "_grads", "_gradient", "_gradients", "grad", "grads", "_delta", "_deltas", "_derivative"),
)
"""What says whose gradient a name speaks of: dW, delta_b, dl_dw, grad_bias, weight_grads."""
_GRADIENTS: Final = {"params": "grads", "biases": "bias_grads"}
_BEFORE: Final = re.compile(r"(?:prev|previous|old|last)_(\w+)|(\w+)_(?:prev|previous|old|last)")
ROLES: Final[dict[str, str]] = {word: role for role, words in _WORDS.items() for word in words.split()}
PLURAL: Final = frozenset(
    {"params", "parameters", "ps", "weights", "ws", "thetas", "xs", "variables", "vars", "values", "tensors"}
    | {"grads", "gradients", "gs", "dws", "dparams", "dxs", "deltas", "derivatives", "updates"}
    | {"trainable_variables", "trainable_weights", "model_params", "network_params", "init_params", "initial_params"}
)
"""Names that speak of many tensors: a mapping or a list is tried before one array."""


class Parameter(NamedTuple):
    """A parameter of somebody's function: its name, its role or an empty string, and whether it must be given.

    ``by_name`` is whether it can be given by its name alone.
    """

    name: str
    role: str
    required: bool
    by_name: bool = False


def role_of(name: str) -> str:
    """Return what a parameter of this name is for, or an empty string."""
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().strip("_")
    if word in ROLES:
        return ROLES[word]
    bare = [word.removeprefix(each) for each in _GRADIENT_BEFORE if word.startswith(each)]
    bare += [word.removesuffix(each) for each in _GRADIENT_AFTER if word.endswith(each)]
    whose = next((role for each in bare if (role := _GRADIENTS.get(ROLES.get(each, "")))), "")
    if whose:
        return whose
    before = _BEFORE.fullmatch(word)
    if before and ROLES.get(before[1] or before[2]) == "state":
        return "state"
    if "grad" in word:
        return "grads"
    if word.startswith(("param", "weight")):
        return "params"
    return ""


def parameters_of(function: Callable[..., Any]) -> list[Parameter] | None:
    """Return the parameters that a call fills by position or must name, None where Python cannot tell."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if found and all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in found) and not _one_of_several(found):
        return None
    return [
        Parameter(p.name, role_of(p.name), p.default is p.empty, p.kind is p.KEYWORD_ONLY)
        for p in found
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) or (p.kind is p.KEYWORD_ONLY and p.default is p.empty)
    ] + _one_of_several(found)


def _one_of_several(found: Collection[inspect.Parameter]) -> list[Parameter]:
    """Return the gradient of who takes as many as there are, ``*grads``, and nothing else: one is as many, too."""
    several = [p.name for p in found if p.kind is p.VAR_POSITIONAL and role_of(p.name.removesuffix("s")) == "grads"]
    alone = all(p.name == "self" or p.kind is p.VAR_POSITIONAL for p in found)
    return [Parameter(name, "grads", True) for name in several if alone]
