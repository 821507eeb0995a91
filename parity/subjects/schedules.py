"""The learning rate of a case as a library with Keras' classes of schedules takes it: a number, or one of them."""

from typing import Any

from parity.case.spec import LearningRateSchedule


def learning_rate(schedules: Any, given: Any) -> Any:
    """Return a case's learning rate for an optimizer.

    Args:
        schedules: the library's module of schedules, such as ``keras.optimizers.schedules``.
        given: a number, or the record of a schedule.
    """
    if isinstance(given, float | int):
        return float(given)
    fields = {name: getattr(given, name) for name in given.__struct_fields__}
    if isinstance(given, LearningRateSchedule):
        return _table(schedules, **fields)
    return getattr(schedules, type(given).__name__)(**fields)


def _table(schedules: Any, values: list[float]) -> Any:
    """Return a subclass of the abstract schedule that looks its value up, the last one holding on."""
    import tensorflow as tf

    class Lookup(schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras is untyped
        def __call__(self, step: Any) -> Any:
            return tf.gather(tf.constant(values, tf.float32), tf.minimum(tf.cast(step, tf.int32), len(values) - 1))

        def get_config(self) -> dict[str, Any]:
            return {"values": list(values)}

    return Lookup()
