"""The site, without building it: links lead somewhere, and docstrings are converted."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
EXTENSIONS = DOCS / "_extensions"


@pytest.fixture(autouse=True)
def extensions(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(EXTENSIONS), *sys.path])


def test_links_lead_to_files_and_headings(tmp_path):
    from repository_pages import dead_links

    folders = [ROOT, *(ROOT / name for name in ("docs", "examples", "benchmarks"))]
    pages = [
        path for folder in folders for path in folder.glob("**/*.md" if folder != ROOT else "*.md")
    ]
    dead = {str(page): dead_links(page) for page in pages if "_build" not in page.parts}
    assert not any(dead.values()), {page: links for page, links in dead.items() if links}
    page = tmp_path / "page.md"
    page.write_text("# A title\n`[x](y.md)` [a](#a-title) [b](#b) [c](c.md) [d](https://d.org/e)\n")
    assert dead_links(page) == ["#b", "c.md"]


DOCSTRING = """Sums rows, see `keras_din.build_din`, `Label`s and a|b.

Two forms:
- `a * b`, Eq. (3) of
  [Zhou et
  al.](https://arxiv.org/abs/1706.06978).

Args:
    units: Sizes of
        the layers.
    *rest: Others.

Call arguments:
    query: Float tensor `(batch, dim)`.

Returns:
    Zeros: no behaviors.

Example:

```python
kd.build_din(spec)  # *
```
"""

CONVERTED = """Sums rows, see :py:obj:`keras_din.build_din <keras_din.build_din>`, \
:py:obj:`Label <keras_din.Label>`\\ s and a\\|b.

Two forms:

- ``a * b``, Eq. (3) of
  `Zhou et al. <https://arxiv.org/abs/1706.06978>`__.

:Args:
    * **units** \u2013 Sizes of
      the layers.
    * **\\*rest** \u2013 Others.

:Call arguments:
    * **query** \u2013 Float tensor ``(batch, dim)``.

:Returns: Zeros: no behaviors.

.. rubric:: Example

.. code-block:: python

    kd.build_din(spec)  # *"""


def test_docstrings_are_converted():
    pytest.importorskip("sphinx")
    from markdown_docstrings import to_restructured_text

    assert to_restructured_text(DOCSTRING) == CONVERTED
