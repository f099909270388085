"""Code of a page that is a public name, or a call of one, links to its page in the reference.

`kd.build_din`, `build_din` and `kd.Bag("genres", pooling="mean")` do. Names without `kd.` must have
a capital or an underscore, so that a word such as `evaluate` is no link.
"""

import re

from docutils import nodes
from markdown_docstrings import public_path
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

CALL = re.compile(r"([\w.]+)(\(.*\))?", re.DOTALL)


class LinkCode(SphinxTransform):
    """Wraps the literals of a document in references."""

    default_priority = 500

    def apply(self, **kwargs):
        for literal in list(self.document.findall(nodes.literal)):
            call = CALL.fullmatch(literal.astext())
            path = public_path(call[1]) if call else None
            if path and not self.env.docname.endswith(path) and not inside_link_or_title(literal):
                target = {"refdomain": "py", "reftype": "obj", "reftarget": path}
                link = addnodes.pending_xref("", refexplicit=True, refwarn=False, **target)
                literal.replace_self(link)
                link += literal


def inside_link_or_title(node) -> bool:
    kinds = (nodes.reference, addnodes.pending_xref, nodes.title, nodes.term)
    while node is not None and not isinstance(node, kinds):
        node = node.parent
    return node is not None


def setup(app):
    app.add_transform(LinkCode)
    return {"parallel_read_safe": True}
