"""The mass of a particle from its four-vector: the smallest task, and how small a network it takes."""

__all__: list[str] = []
