"""Texts and names as SQL writes them."""


def literal(text: str) -> str:
    """A text constant of standard SQL."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """The name of a schema, table or column, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'
