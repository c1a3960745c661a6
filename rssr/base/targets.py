"""Code that is named by a text, "module:name", so that reading the name imports nothing."""


def parts(target: str) -> tuple[str, str]:
    """(module, name); the name is empty without a colon."""
    module, _, name = target.partition(":")
    return module, name
