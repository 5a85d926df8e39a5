"""How messages say how many."""


def counted(how_many: int, noun: str) -> str:
    """`1 pack`, `2 packs`, `1,000 packs`."""
    return f"{how_many:,} {noun}" if how_many == 1 else f"{how_many:,} {noun}s"
