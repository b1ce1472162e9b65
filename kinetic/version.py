"""The version, the distribution's name on PyPI, and the command that installs a missing extra.

The import and the command are called `kinetic`, the distribution `kinetic-motion`: on PyPI, `kinetic` is another
project.
"""

__all__ = ["DISTRIBUTION", "__version__", "install_hint"]

__version__ = "0.1.0"

DISTRIBUTION = "kinetic-motion"
"""The name behind `pip install`; setup.cfg has the same one."""


def install_hint(extra: str) -> str:
    """The command that installs an extra: `install_hint("ray")` is "pip install 'kinetic-motion[ray]'"."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
