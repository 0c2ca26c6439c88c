"""Made-up loans whose true odds are known: risk falls with income, rises with the ratio, and a code stands apart."""

from math import exp
from random import Random

from tools.modelling.credit_file import Asked

ASKED = Asked("ends", special={"ratio": ["-9"]})


def loans_csv(rows: int = 900, seed: int = 4) -> bytes:
    """`income` is missing of one in ten, and those are the worst; `ratio` -9 is the best."""
    random, lines = Random(seed), ["ends,income,ratio,job,noise"]
    for _ in range(rows):
        income, ratio = random.randint(500, 9000), random.randint(-100, 900) / 100
        job = random.choice(("clerk", "smith", "none"))
        missing, coded = random.random() < 0.1, random.random() < 0.1
        risk = 2.5 if missing else 2 - income / 2000
        risk += (-2.0 if coded else ratio / 4) + (1.0 if job == "none" else 0.0)
        ends = "bad" if random.random() < 1 / (1 + exp(2 - risk)) else "good"
        said = (ends, "" if missing else income, "-9" if coded else ratio, job, random.randint(0, 50))
        lines.append(",".join(map(str, said)))
    return "\n".join([*lines, ""]).encode()
