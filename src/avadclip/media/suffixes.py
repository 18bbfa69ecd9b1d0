"""File names that are taken for videos where a folder is named; a file named itself is always tried."""

VIDEO_SUFFIXES = frozenset({
    ".3gp", ".asf", ".avi", ".dav", ".divx", ".flv", ".h264", ".h265", ".hevc", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4",
    ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogv", ".rm", ".ts", ".vob", ".webm", ".wmv",
})  # fmt: skip
