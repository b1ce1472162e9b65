"""A setting whose value is a name: one of the library, or one that a user adds from Python."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

__all__ = ["Choice"]


class Choice:
    """The names that a setting may have, as metadata of its type: `pooling: Annotated[str, Choice(POOLING)]`.

    A number whose text is one of the names counts as that name: YAML reads `precision: 32` as a number.

    Args:
        names: a collection that is read at each check, so that names which a user adds later count
    """

    def __init__(self, names: Collection[str]) -> None:
        self.names = names

    def check(self, value: object) -> str:
        """The name that a value stands for. Raises ValueError for any other value."""
        text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
        if text not in self.names:
            raise ValueError(f"expected one of {', '.join(self.names)}")
        return str(text)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(self.check)
