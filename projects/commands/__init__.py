"""Commands of the registry: declared in `declared`, each implemented in a module of its own."""

__all__: list[str] = []
