"""`python -m avadclip`."""

from avadclip.cli.main import run

if __name__ == "__main__":
    run()
