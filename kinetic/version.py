"""The version, the name that pip knows the library by, and what to type for an extra that is missing.

The import and the command are called `kinetic`. The distribution is not: on PyPI, `kinetic` is somebody else's library.
"""

__all__ = ["DISTRIBUTION", "__version__", "install_hint"]

__version__ = "0.1.0"

DISTRIBUTION = "kinetic-motion"
"""What stands behind `pip install`; setup.cfg has the same name."""


def install_hint(extra: str) -> str:
    """What to type to get an extra: `install_hint("ray")` is "pip install 'kinetic-motion[ray]'"."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
