"""`count_text`: a number with its noun, in the singular or the plural."""


def count_text(count: int, noun: str, plural: str | None = None) -> str:
    """Returns a count with its noun, such as `"1 row"` and `"2,000 rows"`.

    Args:
        count: The number.
        noun: The noun in the singular, also with an adjective: `"bad row"`.
        plural: The plural, if it is not `noun` with an "s".
    """
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
