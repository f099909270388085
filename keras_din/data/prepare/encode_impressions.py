"""The last steps of `prepare_impressions`: encodes a clean log, and points to histories."""

import dataclasses

from keras_din.data.encoding.features import Features, count_parts
from keras_din.data.encoding.vectors import prepared_vectors
from keras_din.data.prepare.build_behavior_log import build_behavior_log
from keras_din.data.prepare.deliveries import find_deliveries
from keras_din.data.prepare.leaks import warn_of_leaks
from keras_din.data.prepare.prepared_data import PreparedData, cut_into_parts
from keras_din.data.prepare.read_impressions import ImpressionLog
from keras_din.data.prepare.value_counts import prepared_vocabularies
from keras_din.data.store.samples import Samples
from keras_din.features import FeatureSpec


def encode_impressions(log: ImpressionLog, features: Features) -> PreparedData:
    """Returns the prepared data of a clean log.

    Args:
        log: The log.
        features: Its features, learned or given.
    """
    events, columns, part = log.events, log.columns, log.part
    sequences, prior = log.arguments.sequences, log.prior
    assert sequences is not None, "filled in by `read_impressions`"
    # Encode.
    spec = columns.spec(features, sequences, log.arguments.max_length)
    spec = dataclasses.replace(spec, labels=tuple(log.of_label))
    encoded = {name: features.column(name, events.frame[name]) for name in columns.names}

    # Point.
    behaviors = {
        name: _log(events, events.labels[column] == 1, encoded, features, prior.get(name), columns)
        for name, column in sequences.items()
    }
    samples = Samples(
        columns={name: encoded[name] for name in columns.of_samples},
        history={name: each.before(events.user, log.shown_at) for name, each in behaviors.items()},
        labels={each.name: events.labels[column] for each, column in log.of_label.items()},
        weight=events.weight,
        group=events.user,
        request=log.requests,
        time=log.shown_at,
        line=events.frame.index.to_numpy(),
    )
    parts = cut_into_parts(samples, part)
    del samples  # The parts are copies, half of the memory.
    spec, of_vectors = prepared_vectors(spec, log.arguments.vectors, behaviors, parts.get("train"))
    report = {
        "kind": "impressions",
        **events.report,
        **log.of_tables,
        "rows_in_histories_only": int((part < 0).sum()),
        "columns": features.types,
        "values_missing": features.missing,
        **features.of_bags,
        **of_vectors,
        "behaviors": {name: len(each) for name, each in behaviors.items()},
        "earlier_of_unknown_users": {name: of.unknown_users for name, of in prior.items()},
        "earlier_aside": {name: of.aside for name, of in prior.items()},
        "features_that_tell_the_label": _warn_of_leaks(parts, spec, log),
        "parts": count_parts(parts, spec),
    }
    vocabularies = prepared_vocabularies(
        spec, columns, events.frame.__getitem__, encoded.__getitem__, int(events.time.max())
    )
    ids = [columns.item, *log.log_format.ids]
    return PreparedData(
        spec,
        behaviors,
        parts,
        report,
        events.bad,
        events.users,
        log_format=log.log_format,
        vocabularies=vocabularies,
        past=log.past,
        deliveries=find_deliveries(events, ids).to_remember,
    )


def _warn_of_leaks(parts: dict, spec: FeatureSpec, log: ImpressionLog) -> list:
    """The features that predict the label. The rows of a part of a log are too few to find them."""
    return warn_of_leaks(parts, spec, stacklevel=5) if log.of_whole else []


def _log(events, is_behavior, encoded, features, prior, columns):
    """The `BehaviorLog` of the rows that are behaviors, after those of the prior history."""
    values = {name: encoded[name][is_behavior] for name in columns.of_behaviors}
    # The time of a behavior is its own, not that of its request.
    pieces = [(events.user[is_behavior], values, events.time[is_behavior])]
    if prior is not None:
        values = {name: features.column(name, prior.frame[name]) for name in columns.of_behaviors}
        pieces.insert(0, (prior.user, values, prior.time))
    return build_behavior_log(pieces, len(events.users))
