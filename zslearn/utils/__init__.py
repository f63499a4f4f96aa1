"""Tools for those who write methods or run over all of them: discovery, and checks."""

__all__: list[str] = []
