"""`python -m sweepnet_service` is `sweepnet serve`."""

import typer

from sweepnet_service.commands.serve import serve

if __name__ == "__main__":
    typer.run(serve)
