"""The indices that are reserved in every table of embeddings."""

PADDING_INDEX = 0
OOV_INDEX = 1
NUM_RESERVED = 2  # Known values start at this index.
