"""Numbers and names as people read them."""

MODALITY_WORDS = {"audio-visual": "picture and sound", "visual": "picture only", "audio": "sound only"}
NETWORK_WORDS = {
    "teacher": MODALITY_WORDS["audio-visual"],
    "visual student": MODALITY_WORDS["visual"],
    "audio student": MODALITY_WORDS["audio"],
    "both students": "picture or sound",
}
"""Names of the paper's networks in pages, tables and terminal output; files and the API keep the keys."""

DEMONSTRATION_MODELS = ("starter", "starter-1")
"""Models that only show how avadclip works; they ship with the package."""


def network_words(name: str) -> str:
    """A network's name for people; names that are not in NETWORK_WORDS are returned unchanged."""
    return NETWORK_WORDS.get(name, name)


def describe_network(name: str, reason: str) -> str:
    """A network with the reason it was chosen: `picture and sound (the file has both)`."""
    words = network_words(name)
    return f"{words} ({reason.replace(words, 'both') if name in NETWORK_WORDS else reason})"


def origin_words(dataset: str, *, is_synthetic: bool) -> str:
    """What stands behind a dataset's name: ` (synthetic data)`, ` (composed data)`, or nothing."""
    if is_synthetic:
        return " (synthetic data)"
    return " (composed data)" if dataset.startswith("composed:") else ""


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
    """Replace unprintable characters by escapes, so that the text is safe in terminals and figures."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
