"""Bodies that several topics of the REST API ask for."""

from __future__ import annotations

from pydantic import BaseModel, Field

__all__ = ["Reason"]


class Reason(BaseModel):
    """Why something is done; journalled with who did it."""

    reason: str = Field(min_length=1, max_length=500)
