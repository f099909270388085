"""The last steps of `prepare_interactions`: draws negatives, encodes, and points to histories."""

from typing import NamedTuple

import numpy as np

from keras_din.data.encoding.features import Features, count_parts
from keras_din.data.encoding.vectors import prepared_vectors
from keras_din.data.prepare.build_behavior_log import build_behavior_log
from keras_din.data.prepare.catalog import Catalog, look_up_negatives
from keras_din.data.prepare.deliveries import find_deliveries
from keras_din.data.prepare.interaction_samples import (
    count_candidates,
    draw_negatives,
    make_samples,
)
from keras_din.data.prepare.item_catalog import ItemCatalog
from keras_din.data.prepare.log_columns import column_features
from keras_din.data.prepare.met_items import MetItems, hash_pairs, hash_users
from keras_din.data.prepare.negatives import met_in_list
from keras_din.data.prepare.prepared_data import PreparedData, cut_into_parts
from keras_din.data.prepare.read_interactions import InteractionLog
from keras_din.data.prepare.split import LEFT_OUT, TRAIN
from keras_din.data.prepare.value_counts import prepared_vocabularies


class DrawnLog(NamedTuple):
    """A log of behaviors with the candidates of each sample.

    Attributes:
        log: The log.
        catalog: The items of the log, and all others that can be drawn.
        trained: int64 `(items,)`, the behaviors of each item in the training part.
        candidates: int64 `(samples, candidates)`: the items of each sample, the positive first.
        counted: Name of each `Count` -> a `Series`, one value per candidate.
        past: What `Count` features count.
    """

    log: InteractionLog
    catalog: Catalog
    trained: np.ndarray
    candidates: np.ndarray
    counted: dict
    past: dict

    def training_values(self):
        """Returns the function from the name of a feature to its values in training.

        Training contains its candidates, and the behaviors before each user's last training row.
        """
        log, events, candidates = self.log, self.log.events, self.candidates
        training = log.part == TRAIN
        last = np.zeros(len(events.users), np.int64)
        np.maximum.at(last, events.user[training], log.position[training])
        in_history = log.position < last[events.user]
        shown = log.part[log.shown] == TRAIN
        items = np.concatenate([candidates[shown].ravel(), self.catalog.code[in_history]])

        def values(name):
            if name in self.counted:
                return self.counted[name][np.repeat(shown, candidates.shape[1])]
            if name in self.catalog.features:
                return self.catalog.features[name].iloc[items]
            wanted = training if name in log.opened.of_context else in_history
            return events.frame[name].iloc[np.flatnonzero(wanted)]

        return values

    def of_used_items(self) -> "DrawnLog":
        """Returns the same with a catalog of only the items of the log and its candidates."""
        used = np.unique(np.concatenate([self.catalog.code, self.candidates.ravel()]))
        place = np.full(len(self.catalog.items), -1)
        place[used] = np.arange(len(used))
        catalog = self.catalog._replace(
            items=self.catalog.items[used],
            code=place[self.catalog.code],
            features={name: each.iloc[used] for name, each in self.catalog.features.items()},
            is_listed=self.catalog.is_listed[used],
        )
        return self._replace(
            catalog=catalog, trained=self.trained[used], candidates=place[self.candidates]
        )


def draw_candidates(
    log: InteractionLog, catalog: Catalog, key: np.ndarray, trained: np.ndarray
) -> DrawnLog:
    """Draws the negatives of all samples, or looks them up.

    Args:
        log: The log.
        catalog: The catalog of the whole log, with the items of the rows of `log`.
        key: uint64 `(items,)`, see `hash_items`.
        trained: int64 `(items,)`, the behaviors of each item in the training part.
    """
    events, columns, shown = log.events, log.opened.columns, log.shown
    if given := log.arguments.given_negatives:
        drawn = look_up_negatives(events.frame[given].iloc[shown], catalog.items, given)
    else:
        is_met = met_in_list(events.user, catalog.code, len(catalog.items))
        drawn = draw_negatives(events, shown, log.position, is_met, key, trained, log.log_format)
    candidates = np.concatenate([catalog.code[shown, None], drawn], axis=1)
    counted, past = count_candidates(
        columns.counts, events, catalog.code, catalog.features, shown, candidates
    )
    return DrawnLog(log, catalog, trained, candidates, counted, past)


def encode_interactions(drawn: DrawnLog, features: Features) -> PreparedData:
    """Returns the prepared data of a log with candidates.

    Args:
        drawn: The log and its candidates.
        features: Its features, learned or given.
    """
    log, catalog, candidates = drawn.log, drawn.catalog, drawn.candidates
    events, part, shown, given = log.events, log.part, log.shown, log.arguments
    columns, of_context, sequence = log.opened.columns, log.opened.of_context, given.sequence

    # Encode.
    spec = columns.spec(features, [sequence], given.max_length)
    of_item = {name: features.column(name, catalog.features[name]) for name in log.opened.of_item}
    of_row = {name: features.column(name, events.frame[name]) for name in log.opened.of_row}

    # Point.
    held = {name: of_item[name][catalog.code] for name in column_features(columns.of)}
    held |= {name: of_row[name] for name in column_features(columns.side_features)}
    behaviors = build_behavior_log([(events.user, held, events.time)], len(events.users))
    samples = make_samples(
        events,
        shown,
        candidates,
        {name: of_row[name] for name in of_context},
        of_item,
        {name: features.column(name, values) for name, values in drawn.counted.items()},
        behaviors,
        shown,
        sequence,
        given.ties,
    )
    parts = cut_into_parts(samples, np.repeat(part[shown], candidates.shape[1]))
    spec, of_vectors = prepared_vectors(
        spec, given.vectors, {sequence: behaviors}, parts.get("train")
    )
    negatives = given.negatives
    report = {
        "kind": "behaviors",
        **events.report,
        **log.of_users,
        **catalog.report,
        "users_with_one_behavior": int((np.bincount(events.user) == 1).sum()),
        "rows_in_histories_only": int((part == LEFT_OUT).sum()),
        "items": len(catalog.items),
        "columns": features.types,
        "values_missing": features.missing,
        **features.of_bags,
        **of_vectors,
        "negatives": given.given_negatives or f"{negatives} by {given.negatives_by}",
        "seed": given.seed,
        "behaviors": {sequence: len(behaviors)},
        "parts": count_parts(parts, spec),
    }
    of_all = np.concatenate([catalog.code, candidates[:, 1:].ravel()])  # Behaviors, then negatives.
    last = int(events.time.max())
    vocabularies = prepared_vocabularies(
        spec,
        columns,
        lambda name: catalog.features[name].iloc[of_all] if name in of_item else events.frame[name],
        lambda name: of_item[name][of_all] if name in of_item else of_row[name],
        last,
    )
    of_catalog = ItemCatalog.of_prepared(catalog, spec, drawn.trained, last)
    item, is_drawn = of_catalog.key[catalog.code], given.given_negatives is None
    return PreparedData(
        spec,
        {sequence: behaviors},
        parts,
        report,
        events.bad,
        events.users,
        log_format=log.log_format,
        vocabularies=vocabularies,
        past=drawn.past,
        deliveries=find_deliveries(events, [columns.item, *log.log_format.ids]).to_remember,
        # Of a part of a log, the items of other users are not known.
        catalog=of_catalog if log.of_whole else None,
        met_items=_met_items(events, item) if is_drawn and log.of_whole else None,
    )


def _met_items(events, item: np.ndarray) -> MetItems:
    """The `MetItems` of the log. `item` is uint64 `(rows,)`, the hash of the item of each row."""
    return MetItems().with_log(0, hash_pairs(hash_users(events.users)[events.user], item))
