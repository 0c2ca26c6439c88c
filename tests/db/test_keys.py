"""Whose rights a person has when nobody knows by which of their keys they came."""

from db import keys
from db.actor import Actor
from db.keys import NewKey
from db.pool import open_pool


async def test_a_person_has_no_more_rights_than_each_of_their_keys(database_url: str) -> None:
    made = (
        NewKey("demo", "ada", ["client", "operator"], ["cust_1", "cust_2"]),
        NewKey("demo", "ada", ["client"], ["cust_2"]),
        NewKey("demo", "ada", ["client", "admin"], ["cust_2", "cust_3"]),
        NewKey("other", "ada", ["auditor"]),
    )
    async with open_pool(database_url, max_size=1) as pool, pool.connection() as conn:
        secrets = [await keys.create(conn, new) for new in made]

        least = await keys.least_of(conn, "demo", "ada")
        nobody = await keys.least_of(conn, "demo", "eve")
        first = await keys.actor_of(conn, secrets[0])

    assert least == Actor("demo", "ada", frozenset({"client"}), customers=frozenset({"cust_2"}))
    assert nobody == Actor("demo", "eve", frozenset())
    assert first == Actor("demo", "ada", frozenset({"client", "operator"}), customers=frozenset({"cust_1", "cust_2"}))
