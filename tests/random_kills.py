"""Two workers, killed at random again and again while they drive payments and the bank misbehaves at random.

What is ordered, which worker dies where, and how the bank misbehaves follow from a seed; what the machine makes of it
in time does not.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

import psycopg

from graphs.transfer import NODES
from tests.crash_deployment import Deployment
from tests.crash_transfers import LOOK_EVERY_S, STRAIGHT, WAYS, Payment, People, new_payment
from tests.fork_server import Forked

AT_ONCE = 6
"""Payments under way at one time."""
CLIENTS = 4
REPEATED = 0.2
"""Share of the orders that their clients send again."""
ARMED = 0.5
"""Share of the workers that die at a failpoint if they come to it."""
ANSWERED = ("fraud_case", "release", "second_release", "settlement", "return_window")
EFFECTS = [f"{step}.{moment}_effect" for step in ("hold", "capture", "void") for moment in ("before", "after")]
FAILPOINTS = [
    *EFFECTS * 3,
    *(f"{node}.{moment}_checkpoint" for node in NODES for moment in ("before", "after")),
    *(f"{node}.answer_read" for node in ANSWERED),
]
MOST, MOST_ARMED = 1.0, 2.0
"""How long a worker drives payments at most until it is killed, and until one is that never came to its failpoint: in
the time that an undisturbed payment takes, so that a busy machine's workers come as far as an idle one's."""

NAME_WORKERS = """
    CREATE TABLE worker_names (worker_id bigint PRIMARY KEY, name text NOT NULL);
    CREATE FUNCTION name_worker() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    BEGIN
        INSERT INTO worker_names VALUES (NEW.id, current_setting('application_name'));
        RETURN NULL;
    END $$;
    CREATE TRIGGER worker_named AFTER INSERT ON procrastinate_workers FOR EACH ROW EXECUTE FUNCTION name_worker();
"""
DRIVING = """
    SELECT n.name, count(*) FROM worker_names n
    JOIN procrastinate_jobs j ON j.worker_id = n.worker_id AND j.status = 'doing'
    JOIN runs r ON r.run_id = (j.args ->> 'run_id')::uuid AND r.status = 'running' AND r.workflow = 'transfer'
    WHERE n.name = ANY(%s) GROUP BY n.name
"""

ROUTES = ("*", "POST /holds", "POST /holds/{hold_id}/capture", "POST /holds/{hold_id}/void")
MODES = ("slow", "429", "500", "timeout_after_commit")
OF_WEBHOOKS = ("webhook_duplicate", "webhook_never", "webhook_late")


def undisturbed_s(deployed: Deployment, people: People) -> float:
    """How long a payment takes on this machine now."""
    with deployed.working():
        for _ in range(2):  # The first waits for the worker, too.
            payment = new_payment(deployed, STRAIGHT)
            began = time.monotonic()
            payment.order()
            people.finish([payment])
    return time.monotonic() - began


@dataclass(slots=True)
class Slot:
    """One worker at a time. `driving_since` is when it was first seen to drive a payment."""

    name: str = ""
    worker: Forked | None = None
    failpoint: str | None = None
    lives_s: float = 0.0
    driving_since: float | None = None


@dataclass(slots=True)
class Killer:
    """Keeps two workers alive and kills them; counts the deaths of those that drove a payment, by how they died."""

    deployed: Deployment
    chance: random.Random
    conn: psycopg.Connection
    payment_s: float
    kills: Counter[str] = field(default_factory=Counter)
    idle_deaths: int = 0
    runs_hit: int = 0
    started: int = 0
    slots: Sequence[Slot] = field(default_factory=lambda: (Slot(), Slot()))

    def look(self) -> None:
        driving = self._driving()
        for slot in self.slots:
            if slot.worker is None:
                self._start(slot)
                continue
            if slot.worker.poll() is not None:
                self._count(slot)
                self._start(slot)
                continue
            if slot.driving_since is None and driving.get(slot.name):
                slot.driving_since = time.monotonic()
            if slot.driving_since is not None and time.monotonic() - slot.driving_since > slot.lives_s:
                slot.worker.kill()
                self._count(slot, "whenever")
                self._start(slot)

    def stop(self) -> None:
        for slot in self.slots:
            if slot.worker is not None:
                slot.worker.kill()

    def _start(self, slot: Slot) -> None:
        self.started += 1
        slot.name = f"worker {self.started}"
        is_armed = self.chance.random() < ARMED
        slot.failpoint = self.chance.choice(FAILPOINTS) if is_armed else None
        slot.lives_s = self.payment_s * (MOST_ARMED if is_armed else self.chance.uniform(0, MOST))
        slot.driving_since = None
        killed_at = [] if slot.failpoint is None else [f"transfer.{slot.failpoint}"]
        slot.worker = self.deployed.worker(*killed_at, PGAPPNAME=slot.name)

    def _count(self, slot: Slot, how: str | None = None) -> None:
        """A death counts if the worker had a payment's run in its hands: the queue has it there still."""
        assert slot.worker is not None
        assert slot.worker.poll() == -9, self.deployed.log("worker")[-3000:]
        if (held := self._driving().get(slot.name, 0)) == 0:
            self.idle_deaths += 1
            return
        self.kills[how or str(slot.failpoint)] += 1
        self.runs_hit += held

    def _driving(self) -> dict[str, int]:
        names = [slot.name for slot in self.slots]
        return dict(self.conn.execute(DRIVING, (names,)).fetchall())


class Clients:
    """Order payments one after the other so that so many are under way, and see to them, until they are told to stop;
    then until all are over."""

    def __init__(self, deployed: Deployment, people: People, chance: random.Random) -> None:
        self._deployed = deployed
        self._people = people
        self._chance = chance
        self._ordering: dict[Future[Payment], None] = {}
        self._under_way: list[Payment] = []
        self._enough = Event()
        self.ordered: list[Payment] = []
        self.fault: BaseException | None = None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Raises what one of them met. Leaving it waits for nobody."""
        thread = Thread(target=self._work, name="clients", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._enough.set()
            thread.join()
        self.check()

    def check(self) -> None:
        if self.fault is not None:
            raise self.fault

    def finish(self, within_s: float) -> None:
        """A worker is at work, and nobody kills it."""
        self._people.finish(self._under_way, within_s)

    def _work(self) -> None:
        try:
            with ThreadPoolExecutor(CLIENTS) as pool:
                while not self._enough.is_set():
                    self._order(pool)
                    self._under_way = self._people.see_to(self._under_way)
                    time.sleep(LOOK_EVERY_S)
            self._take(list(self._ordering))
        except BaseException as exc:  # noqa: BLE001  raised where it is looked for
            self.fault = exc

    def _order(self, pool: ThreadPoolExecutor) -> None:
        self._take([future for future in self._ordering if future.done()])
        while len(self._under_way) + len(self._ordering) < AT_ONCE:
            way, again = self._chance.choice(WAYS), self._chance.random() < REPEATED
            payment = new_payment(self._deployed, way)
            self._ordering[pool.submit(ordered, payment, again=again)] = None

    def _take(self, futures: Sequence[Future[Payment]]) -> None:
        for future in futures:
            del self._ordering[future]
            self._under_way.append(future.result())
            self.ordered.append(future.result())


def ordered(payment: Payment, *, again: bool) -> Payment:
    payment.order()
    if again:
        payment.order()
    return payment


class Trouble:
    """The bank's: now and then another switch for the next few calls."""

    def __init__(self, deployed: Deployment, chance: random.Random) -> None:
        self._deployed = deployed
        self._chance = chance
        self._next_at = 0.0
        self.switched = 0

    def look(self) -> None:
        if time.monotonic() < self._next_at:
            return
        chance = self._chance
        self._next_at = time.monotonic() + chance.uniform(0.2, 1.0)
        if chance.random() < 0.25:
            self._deployed.misbehave(chance.choice(OF_WEBHOOKS), "webhooks", chance.randint(1, 3), 0.5)
        else:
            mode, route = chance.choice(MODES), chance.choice(ROUTES)
            self._deployed.misbehave(mode, route, chance.randint(1, 4), chance.uniform(0, 0.3))
        self.switched += 1
