"""How the documentation is built.

The source folder is the checkout, so that links lead to the same places here as elsewhere::

    sphinx-build -W --keep-going -c docs . build/site
"""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy.typing as npt
from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

Kind = TypeVar("Kind")


class NDArray(Generic[Kind]):
    """Arrays as the source names them; numpy would show ndarray[tuple[Any, ...], dtype[...]]."""


npt.NDArray = NDArray

import dmoe_opt  # noqa: E402  # after its arrays have their name
from dmoe_opt.method_table import METHODS  # noqa: E402
from dmoe_opt.offload.policies import FITTED, RULES  # noqa: E402

project = "dmoe-opt"
author = copyright = "The dmoe-opt authors"
version = release = dmoe_opt.__version__
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "docs/**.md",
    "notebooks/*.ipynb",
    "instances/README.md",
    "tests/benchmarks/README.md",
]
exclude_patterns = [".*", "**/.*"]
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_click",
]

nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath", "strikethrough", "colon_fence"]
suppress_warnings = [
    "myst.strikethrough",  # that only HTML can
    "ref.python",  # two modules have a class of the same name, and an annotation is unresolved
]
myst_heading_anchors = 3
default_role = "code"
smartquotes_action = "De"  # quotes are left as they are
autodoc_typehints_format = "short"
autodoc_mock_imports = ["torch", "tianshou"]
autodoc_member_order = "bysource"
napoleon_use_rtype = False
napoleon_attr_annotations = False
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"dmoe-opt {release}"
html_math_renderer = "mathml"
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_additional_pages = {"index": "start.html"}
templates_path = ["templates"]


SPELLED = {
    r"\\([bB]igg?)(?=[(\[])": r"\\\1l",
    r"\\([bB]igg?)(?=[)\]])": r"\\\1r",
    r"\\[bB]igg?m?(?![a-zA-Z])|\\limits": "",
    r"\\dots(?![a-zA-Z])": r"\\ldots",
    r"\\texttt": r"\\mathtt",
}
"""What docutils does not know of TeX, in words that it does."""
BRACE = re.compile(r"(<mrow>\s*)?<mo>([{}])</mo>(?!\s*</mrow>)")


def _formula(node: nodes.Element, block: bool) -> str:
    """TeX as MathML, which browsers draw themselves: pages are read without a network."""
    text = node.astext()
    for pattern, plainer in SPELLED.items():
        text = re.sub(pattern, plainer, text)
    try:
        return BRACE.sub(
            lambda m: m[0] if m[1] else f'<mo stretchy="false">{m[2]}</mo>',
            tex2mathml(text, as_block=block),
        )
    except (MathError, AttributeError, IndexError) as error:
        logging.getLogger(__name__).warning("no MathML for %r: %s", text, error, location=node)
        return f"<code>{html.escape(text)}</code>"


def _inline(writer: HTML5Translator, node: nodes.math) -> None:
    writer.body.append(_formula(node, block=False))
    raise nodes.SkipNode


def _block(writer: HTML5Translator, node: nodes.math_block) -> None:
    writer.body.append(writer.starttag(node, "div", CLASS="math"))
    writer.body.append(_formula(node, block=True) + "</div>\n")
    raise nodes.SkipNode


class Methods(SphinxDirective):
    """The methods of a problem, from the one table that the program has."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """A table of name, proof and words."""
        rows = [(n, m.proves, m.says) for n, m in METHODS[self.arguments[0]].items()]
        lines = ["| method | proves its answer optimal | what it does |", "|---|---|---|"]
        lines += [
            f"| `{name}` | {proves} | {says.replace('--solver', '`--solver`')} |"
            for name, proves, says in rows
        ]
        return self.parse_text_to_nodes("\n".join(lines))


class Rules(SphinxDirective):
    """The rules of offloading, from the one table and their docstrings."""

    def run(self) -> list[nodes.Node]:
        """A list of name and words."""
        return self.parse_text_to_nodes(
            "\n".join(f"- `{name}`: {rule.__doc__}" for name, rule in (RULES | FITTED).items())
        )


class Public(SphinxDirective):
    """The public names, each from the module that it comes from."""

    def run(self) -> list[nodes.Node]:
        """What autodoc makes of them."""
        lines = []
        for name in dmoe_opt.__all__:
            value = getattr(dmoe_opt, name)
            kind = (
                "function"
                if not isinstance(value, type)
                else "exception"
                if issubclass(value, Exception)
                else "class"
            )
            lines += [
                f".. auto{kind}:: {value.__module__}.{name}",
                *(["   :members:", ""] if kind == "class" else [""]),
            ]
        return self.parse_text_to_nodes("\n".join(["```{eval-rst}", *lines, "```"]))


def _is_field(
    app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object
) -> bool | None:
    """Leave out the fields of named tuples: their docstrings say "Alias for field number 0"."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def _factory(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str, returns: str
) -> tuple[Any, Any]:
    """A default that Python can read, where a dataclass has a factory."""
    return signature and signature.replace("<factory>", "{}"), returns


def _explore(app: Sphinx, error: Exception | None) -> None:
    """Pages with sliders, beside the others; they are solved when the site is built."""
    folder = Path(app.outdir) / "explore"
    folder.mkdir(exist_ok=True)
    for name in ("tiny-s1", "digits-l4"):
        dmoe_opt.explore(dmoe_opt.load(name)).save(folder / f"{name}.html")


def setup(app: Sphinx) -> dict[str, Any]:
    """Make all this known to Sphinx."""
    app.add_html_math_renderer(
        "mathml", inline_renderers=(_inline, None), block_renderers=(_block, None)
    )
    app.add_directive("methods", Methods)
    app.add_directive("rules", Rules)
    app.add_directive("public", Public)
    app.connect("build-finished", _explore)
    app.connect("autodoc-skip-member", _is_field)
    app.connect("autodoc-process-signature", _factory)
    return {"parallel_read_safe": True}
