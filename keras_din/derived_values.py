"""`derived_values`: what a model computes from its inputs, for features without an input."""

from keras_din.features import per_kind


@per_kind
def derived_values(feature, info, spec, values):
    """Computes what would be the input of a feature, if it had one.

    Args:
        feature: A feature whose `has_input` is `False`.
        info: The `InputInfo` of its place.
        spec: The `FeatureSpec`.
        values: Name of each input -> its dense tensor, see `keras_din.embed.build_inputs`.

    Returns:
        A tensor of the feature's `input_dtype`, with the shape of an input of the same place. It
        may have any values at padding.
    """
