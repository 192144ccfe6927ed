"""How the documentation is built: ``make docs``."""

from __future__ import annotations

import logging
import pkgutil
import re
from importlib.metadata import version as installed_version
from pathlib import Path

import mldeploy

HERE = Path(__file__).parent
KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")

project = "mldeploy"
author = "the authors of mldeploy"
project_copyright = author
release = version = installed_version("mldeploy")

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "adr/0000-template.md"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = [
    "ref.citation",  # a source that the text does not cite by number is still its source
]
logging.getLogger("sphinx.sphinx.directives.other").addFilter(
    lambda record: getattr(record, "subtype", None) != "empty_glob"
)

html_theme = "furo"
html_title = "mldeploy"

autodoc_mock_imports = ["dask", "pyspark", "ray"]  # large, and not what the pages are about
autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_context = {
    "packages": [
        module.name
        for module in pkgutil.iter_modules(mldeploy.__path__)
        if not module.name.startswith("_")
    ]
}
autodoc_member_order = "groupwise"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False


def unreleased(folder: Path) -> str:
    """Return the fragments of `folder` as one page section, by kind and issue."""
    found = [
        (KINDS.index(match["kind"]), int(match["issue"]), path.read_text().strip())
        for path in folder.glob("*.md")
        if (match := re.fullmatch(r"(?P<issue>\d+)\.(?P<kind>[a-z]+)(\.\d+)?\.md", path.name))
    ]
    lines = []
    for place, kind in enumerate(KINDS):
        entries = [(issue, text) for at, issue, text in sorted(found) if at == place]
        if entries:
            lines.append(f"### {kind.capitalize()}\n")
            lines += [
                f"- {text} (#{issue})\n".replace("\n", "\n  ").rstrip() for issue, text in entries
            ]
            lines.append("")
    return "\n".join(lines) or "Nothing yet.\n"


_generated = HERE / "reference" / "generated"
_generated.mkdir(parents=True, exist_ok=True)
(_generated / "unreleased.txt").write_text(unreleased(HERE.parent / "changes"))
