"""How Sphinx builds these pages: `make docs`."""

from __future__ import annotations

import kinetic

project = "kinetic"
author = "The kinetic contributors"
copyright = author
release = version = kinetic.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"kinetic {release}"
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"
