"""`python -m sweepnet` is `sweepnet`."""

from sweepnet.cli import main

if __name__ == "__main__":
    main()
