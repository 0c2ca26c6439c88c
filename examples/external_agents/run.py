"""The three agents, each a process with a key of its own, and one order for them. Needs a service and its admin key:

COUNTERSIGN_KEY=csk_… python examples/external_agents/run.py
"""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

from agent import KEY, call, next_id

HERE = Path(__file__).parent
CUSTOMER = {"client_id": "cust_1001", "full_name": "Eleanor Whitfield", "risk_profile": "moderate"}
ORDER = {"source_account": "ACC001", "destination_account": "ACC002", "amount": "125.50"}


def key_for(agent: str) -> str:
    """Reads the accounts of this one customer, and has no rights but an agent's."""
    body = {"person": f"example.{agent}", "roles": ["agent"], "customers": [CUSTOMER["client_id"]]}
    return str(call("POST", "/keys", body)[1]["key"])


def main() -> None:
    if not KEY:
        raise SystemExit("COUNTERSIGN_KEY is to be the admin key that `countersign up` printed")
    call("POST", "/clients", CUSTOMER)
    agents = [
        subprocess.Popen([sys.executable, HERE / f"{agent}.py"], env=os.environ | {"COUNTERSIGN_KEY": key_for(agent)})
        for agent in ("reader", "decider", "recorder")
    ]
    first = str(uuid.uuid4())
    last = next_id(next_id(first))
    wanted = {
        "task_id": first,
        "client_id": CUSTOMER["client_id"],
        "agent_name": "balance-reader",
        "payload": ORDER,
    }
    try:
        call("POST", "/tasks", wanted)
        while not any(one["task_id"] == last for one in call("GET", "/tasks?status=completed&limit=1000")[1]):
            time.sleep(0.2)
    finally:
        for agent in agents:
            agent.terminate()
            agent.wait()


if __name__ == "__main__":
    main()
