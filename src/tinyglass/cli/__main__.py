"""Let ``python -m tinyglass.cli`` be the command line."""

from . import main

if __name__ == "__main__":
    main()
