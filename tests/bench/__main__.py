"""`make bench`: the LangGraph SDK's protocol with its baselines, then whole loan applications with theirs.

python -m tests.bench [--at 1,16,64] [--seconds 4.5]
"""

import uvloop

from tests.bench.arguments import arguments
from tests.bench.bench_loans import bench_loans
from tests.bench.bench_protocol import bench_protocol
from tests.bench.measure import embedded_postgres


def main() -> None:
    given = arguments(__doc__)
    with embedded_postgres() as (url, home):
        uvloop.run(bench_protocol(url, home, given.at, given.seconds))
        uvloop.run(bench_loans(url, home, [clients for clients in given.at if clients <= 16], given.seconds))


if __name__ == "__main__":
    main()
