"""retraining."""

__all__: list[str] = []
