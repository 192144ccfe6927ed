"""problem."""

__all__: list[str] = []
