"""Random numbers of users that depend on no other user and on no order of rows."""

from collections.abc import Callable

import numpy as np

_STEP = np.uint64(0x9E3779B97F4A7C15)  # The increment of SplitMix64.
_FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
_UNUSED_BITS = np.uint64(11)  # A float64 has 53 bits.


def draws_of_users(seed, user: np.ndarray, position: np.ndarray, each: int) -> Callable:
    """Returns the function that draws numbers from a seed, a user and a position.

    Number `i` of `each` at a position is the output `position * each + i` of a SplitMix64
    generator that starts from the seed and the user. Any of its outputs is computed alone, so no
    generator per user is needed. Drawing again takes the same output of another generator.

    Args:
        seed: A non-negative integer, or a list of them.
        user: uint64 `(rows,)`, a hash of the user of each row.
        position: int64 `(rows,)`, which no two rows of a user share.
        each: Draws per row.

    Returns:
        A function from the numbers of draws, int64 `(draws,)`, from 0 to `rows * each - 1`, and
        the number of the round to float64 `(draws,)`, uniform in [0, 1).

    Reference:
        [Steele et al., 2014](https://doi.org/10.1145/2660193.2660195), Fig. 17.
    """
    state = np.random.SeedSequence(seed).generate_state(1, np.uint64)

    def draw(number: np.ndarray, round_: int) -> np.ndarray:
        row, i = np.divmod(number, each)
        start = _mix(_mix(user[row] ^ state) + np.uint64(round_))
        output = (position[row] * each + i + 1).astype(np.uint64)
        return (_mix(start + output * _STEP) >> _UNUSED_BITS) * 2.0**-53

    return draw


def _mix(bits: np.ndarray) -> np.ndarray:
    """The output function of SplitMix64, a bijection of uint64."""
    bits = (bits ^ (bits >> _SHIFTS[0])) * _FACTORS[0]
    bits = (bits ^ (bits >> _SHIFTS[1])) * _FACTORS[1]
    return bits ^ (bits >> _SHIFTS[2])
