"""What every bench is told on its command line."""

import argparse
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arguments:
    at: list[int]
    seconds: float


def arguments(about: str | None) -> Arguments:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at", default="1,16,64", help="numbers of clients")
    parser.add_argument("--seconds", type=float, default=4.5, help="length of each measurement")
    given = parser.parse_args()
    return Arguments([int(clients) for clients in given.at.split(",")], given.seconds)
