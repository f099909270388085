"""Makes a `Day` of a further log of impressions."""

from keras_din.data.encoding.features import count_parts
from keras_din.data.prepare.appended_log import AppendedLog
from keras_din.data.prepare.counts import add_counts
from keras_din.data.prepare.day import Day
from keras_din.data.prepare.log_columns import column_features
from keras_din.data.prepare.requests import sort_by_request
from keras_din.data.prepare.value_counts import count_values
from keras_din.data.prepare.value_types import check_value_types
from keras_din.data.store.samples import Samples


def impressions_day(log: AppendedLog) -> tuple:
    """Returns the `Day` of a log of impressions, and the data before it with the grown spec."""
    data, columns, log_format = log.data, log.columns, log.log_format
    check_value_types(data.spec, log.events.frame.__getitem__, columns.separators)
    events, requests, shown_at = sort_by_request(log.events, log_format.request)
    _, events, past = add_counts(columns, events, shown_at, earlier=data.all_past)
    is_late = log.find_late(events, shown_at)

    seen = count_values(data.spec, data.vocabularies, events.frame.__getitem__, columns.separators)
    vocabularies, of_vocabularies = log.grown_vocabularies(seen)
    spec, of_vectors = log.grown_spec(vocabularies)
    features = log.features(spec)
    encoded = {name: features.column(name, events.frame[name]) for name in columns.names}

    behaviors, is_own = {}, {}
    known = data.updated(spec, vocabularies)
    for sequence in spec.sequences:
        of_day = events.labels[log_format.sequences[sequence.name]] == 1
        new = (
            events.user[of_day],
            {name: encoded[name][of_day] for name in column_features(sequence.features)},
            events.time[of_day],
        )
        behaviors[sequence.name], is_own[sequence.name] = log.with_recent(
            known, sequence, events, shown_at, new
        )
    samples = Samples(
        columns={name: encoded[name] for name in columns.of_samples},
        history={name: each.before(events.user, shown_at) for name, each in behaviors.items()},
        labels={name: events.labels[column] for name, column in log_format.labels.items()},
        weight=events.weight,
        group=events.user,
        request=requests,
        time=shown_at,
        line=events.frame.index.to_numpy(),
    )
    report = {
        "kind": "impressions",
        **events.report,
        **log.of_tables,
        "rows_late": int(is_late.sum()),
        "vocabularies": of_vocabularies,
        "values_missing": features.missing,
        **features.of_bags,
        **of_vectors,
        "behaviors": {name: int(own.sum()) for name, own in is_own.items()},
        "parts": count_parts({"train": samples}, spec),
    }
    users = events.users.rename(log_format.user)
    return Day(log.number, behaviors, is_own, samples, users, report, events.bad, past), known
