"""Numbers as people read them."""


def clock(seconds: float, *, decimals: int = 0) -> str:
    """4:05 or 1:02:05; with one decimal 4:05.3. Rounded first, so that 59.96 s is 1:00.0 and never 0:60.0."""
    unit = 10**decimals
    units = round(seconds * unit)
    whole, part = divmod(units, unit)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
    return f"{text}.{part:0{decimals}d}" if decimals else text


def counted(number: int, noun: str) -> str:
    """`1 event`, `2 events`, `no events`."""
    return f"{number or 'no'} {noun}" if number == 1 else f"{number or 'no'} {noun}s"


def printable(text: str) -> str:
    """Text that is safe on a terminal and in a picture: what is not printable is written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
