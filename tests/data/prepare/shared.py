"""Reads histories and raw values from prepared data."""


def histories(data, part, column="item", sequence="hist"):
    """Returns the raw values of each sample's history."""
    samples, log = data.parts[part], data.behaviors[sequence]
    feature = data.spec.features[column]
    values = (None, "?", *feature.vocabulary)
    start, end = samples.history[sequence]
    return [
        [values[i] for i in log.columns[column][first:last]]
        for first, last in zip(start, end, strict=True)
    ]


def raw(data, part, column):
    values = (None, "?", *data.spec.features[column].vocabulary)
    return [values[i] for i in data.parts[part].columns[column]]
