"""Starts the stand-alone gateway: `python -m edge.gateway --help`."""

from edge.gateway.command import main

if __name__ == "__main__":
    main(prog_name="python -m edge.gateway")
