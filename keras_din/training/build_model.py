"""Creates the model of a new run."""

import inspect
import threading

import keras

from keras_din.checks import one_of
from keras_din.layers import Embedding
from keras_din.losses import losses_of_labels
from keras_din.models import MODELS
from keras_din.optimizers import LazyAdam
from keras_din.training.label_weights import FIXED, UNCERTAINTY, with_learned_weights
from keras_din.training.progress import random_states
from keras_din.with_shards import with_shards

# Keras draws initial values and dropout seeds from a random generator that all threads share.
_generator_lock = threading.Lock()


def build_model(data, arguments: dict) -> keras.Model:
    """Builds and compiles the model of a run, with its seed, for its data."""
    with _generator_lock:
        keras.utils.set_random_seed(arguments["seed"])
        model = call_builder(data.spec, arguments)
    # Older runs have no `label_weights`.
    is_learned = arguments.get("label_weights", FIXED) == UNCERTAINTY
    if is_learned:
        model = with_learned_weights(model)
    keywords = _regularization(model, data, arguments["mini_batch_aware_l2"])
    if arguments["ema_momentum"]:
        keywords |= {"use_ema": True, "ema_momentum": arguments["ema_momentum"]}
    optimizer = LazyAdam(arguments["learning_rate"], **keywords)
    optimizer.build(model.trainable_variables)  # A model can be saved before the first step.
    labels = data.spec.labels
    losses = losses_of_labels(
        labels,
        arguments["positive_weight"],
        data.negative_rate,
        arguments["loss"],
        arguments["loss_weight"],
    )
    weights = {label.output: label.weight for label in labels}
    if len(losses) == 1:  # A model with one output has no names of outputs.
        model.compile(optimizer, *losses.values(), list(weights.values()))
    else:
        model.compile(optimizer, losses, None if is_learned else weights)
    return model


def call_builder(spec, arguments: dict) -> keras.Model:
    """Builds the model without compiling it, or raises a `ValueError` for a wrong option."""
    builder = MODELS[arguments["model"]]
    allowed = [name for name in inspect.signature(builder).parameters if name != "spec"]
    for name in arguments["options"]:
        one_of("options", name, tuple(allowed))
    return builder(spec_of_model(spec, arguments), **arguments["options"])


def spec_of_model(spec, arguments: dict):
    """Returns the spec with the shards of the run's tables. Older runs have no `shards`."""
    shards = arguments.get("shards")
    return spec if shards is None else spec.with_shards(shards)


def resharded(model, spec, arguments: dict):
    """Returns the model of a checkpoint with the shards of the arguments, if they are given."""
    if arguments.get("shards") is None:
        return model
    tables = spec_of_model(spec, arguments).tables
    states = [keras.ops.convert_to_numpy(state) for state in random_states(model)]
    own = {layer.feature for layer in model._flatten_layers() if isinstance(layer, Embedding)}
    new = with_shards(model, {n: each.shards for n, each in tables.items() if n in own})
    for variable, state in zip(random_states(new), states, strict=True):
        variable.assign(state)
    return new


def _regularization(model, data, strength: float) -> dict:
    """Returns the arguments of `LazyAdam` for mini-batch aware regularization of the tables."""
    if not strength:
        return {}
    return {"mini_batch_aware_l2": strength, "feature_counts": counts_of_tables(model, data)}


def counts_of_tables(model, data) -> dict:
    """Returns the training counts of the features whose tables the model trains."""
    tables = {getattr(variable, "feature", None) for variable in model.trainable_variables}
    return {name: n for name, n in data.feature_counts("train").items() if name in tables}
