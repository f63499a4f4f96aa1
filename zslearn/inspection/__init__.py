"""Display objects: what a zero-shot classifier learned, drawn with matplotlib."""

__all__: list[str] = []
