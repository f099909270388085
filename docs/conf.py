"""Settings of the site: `python -m sphinx -E -W --keep-going -b html docs docs/_build`."""

import os
import pathlib
import shutil
import sys

FOLDER = pathlib.Path(__file__).parent
sys.path[:0] = [str(FOLDER / "_extensions"), str(FOLDER.parent)]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_din  # noqa: E402

# Each build makes the pages of all public names; a page of a name that was removed has no place.
shutil.rmtree(FOLDER / "reference" / "generated", ignore_errors=True)

project = "keras_din"
copyright = "the authors of keras_din, Apache License 2.0"
version = release = keras_din.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "myst_parser",
    "sphinx_copybutton",
    "command_line",
    "link_code",
    "markdown_docstrings",
    "repository_pages",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]

myst_enable_extensions = ["colon_fence", "fieldlist"]
myst_heading_anchors = 3

autosummary_ignore_module_all = False
autodoc_default_options = {"members": True}
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
maximum_signature_line_length = 60
toc_object_entries = False

pygments_style = "friendly"
pygments_dark_style = "monokai"
smartquotes = False
html_theme = "furo"
html_title = f"keras_din {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"top_of_page_buttons": []}
copybutton_exclude = ".linenos, .gp, .go"
