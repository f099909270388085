"""`python -m keras_din` is `keras-din`."""

import sys

from keras_din.cli import main

if __name__ == "__main__":
    sys.exit(main())
