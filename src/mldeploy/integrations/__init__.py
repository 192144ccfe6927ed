"""Foreign systems, one module for each; importing it says which extra it needs."""

__all__: list[str] = []
