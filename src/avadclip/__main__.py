"""`python -m avadclip`."""

from avadclip.apps.cli.main import run

if __name__ == "__main__":
    run()
