"""Figures for people: binary units, rounded durations. JSON never sees these."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def size(count_bytes: float) -> str:
    """`281.3 MiB`: the largest binary unit that leaves at least 1, one digit after the point."""
    value = float(count_bytes)
    for unit in _UNITS:
        if abs(value) < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{value:,.0f} B" if unit == "B" else f"{value:,.1f} {unit}"


def rate(bytes_per_second: float) -> str:
    """`35.0 MiB/s`."""
    return f"{size(bytes_per_second)}/s"


def usd(amount: float) -> str:
    """`1,234.56`: dollars and cents; what is less than a cent is said to be."""
    if amount and abs(amount) < 0.005:
        return "< 0.01" if amount > 0 else "> -0.01"
    return f"{amount + 0.0:,.2f}"  # no negative zero


def duration(seconds: float) -> str:
    """`0.4 s`, `42 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
