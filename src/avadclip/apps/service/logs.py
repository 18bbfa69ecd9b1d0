"""Log of the service on stderr, without keys of result pages, and never a flood."""

import json
import logging
import sys
import threading
import time
from collections import Counter

from avadclip.apps.service.links import without_keys

LINES_A_MINUTE = 1000  # from one place in the code
TRACES_A_MINUTE = 20  # from one place in the code; each may be long

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

Place = tuple[str, int]


class JsonLines(logging.Formatter):
    """Log formatter: time, level, logger, message and the `extra` fields as JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{when}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return without_keys(json.dumps(line, ensure_ascii=False, default=str))


class PlainLines(logging.Formatter):
    """Log formatter for people: level, message and the `extra` fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line, and its trace as more."""
        extra = ", ".join(f"{key} {value}" for key, value in vars(record).items() if key not in _STANDARD)
        line = f"avadclip: {record.levelname.lower()}: {record.getMessage()}{f' ({extra})' if extra else ''}"
        return without_keys("\n".join([line, *([self.formatException(record.exc_info)] if record.exc_info else [])]))


class FloodLimit(logging.Filter):
    """Leaves out repetitions beyond a number a minute; `left_out` of the next line from there has their number."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._minute = 0
        self._seen: Counter[Place] = Counter()
        self._left_out: Counter[Place] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write a record."""
        place = record.pathname, record.lineno
        limit = TRACES_A_MINUTE if record.exc_info else LINES_A_MINUTE
        with self._lock:
            minute = int(record.created // 60)
            if minute != self._minute:
                self._minute = minute
                self._seen.clear()
            self._seen[place] += 1
            if self._seen[place] > limit:
                self._left_out[place] += 1
                return False
            if self._seen[place] == limit:
                record.limit = "repetitions in this minute are left out"
            if left_out := self._left_out.pop(place, 0):
                record.left_out = left_out
            return True


def log_to_stderr(*, as_json: bool) -> None:
    """Log to stderr: warnings and errors for people, or from level `info` on, each request too, as JSON lines.

    The guard logs requests, so uvicorn's own request log is off.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else PlainLines())
    handler.addFilter(FloodLimit())
    level = logging.INFO if as_json else logging.WARNING
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True
