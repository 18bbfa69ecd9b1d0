"""Commands about what is installed: `doctor`, `cache` and `weights`."""
