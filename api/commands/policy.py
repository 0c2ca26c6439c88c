"""`countersign policy`: the documents that decide: listed, proposed, compared, approved, tried on past decisions."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from api.commands.client import Client
from api.settings import Settings
from db.errors import InvalidInput
from tools.rules.backtest import Assumptions
from tools.rules.policy_forms import Kind

policy_app = typer.Typer(no_args_is_help=True, help="Policy documents: what decides, and from when.")

Url = Annotated[str, typer.Option(envvar="COUNTERSIGN_URL", help="the server to ask")]
Key = Annotated[str, typer.Option(envvar="COUNTERSIGN_KEY", help="API key for --url", show_envvar=True)]
OfKind = Annotated[Kind, typer.Option("--kind", help="what kind of document")]
Version = Annotated[str, typer.Argument(help="the document's version")]
Why = Annotated[str, typer.Option("--reason", help="why, for the file")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]
STANDARD = Assumptions()


@policy_app.command(name="list")
def list_documents(url: Url, key: Key) -> None:
    """Every version with its status; the one in force is marked."""
    from api.commands.policy_words import show_list

    with Client(url, key) as client:
        show_list(client.get("/policies"))


@policy_app.command(name="show")
def show_document(version: Version, url: Url, key: Key, kind: OfKind = "credit_policy") -> None:
    """Prints a version as JSON: what `propose` takes, to begin with."""
    from api.commands.policy_words import written

    with Client(url, key) as client:
        print(written(client.get(f"/policies/{kind}/{version}")["document"]))


@policy_app.command(name="diff")
def diff_document(
    version: Version,
    url: Url,
    key: Key,
    against: Annotated[str | None, typer.Option(help="default: the version in force")] = None,
    kind: OfKind = "credit_policy",
) -> None:
    """What a version changes, field by field."""
    from api.commands.policy_words import show_difference

    with Client(url, key) as client:
        query = "" if against is None else f"?against={against}"
        show_difference(client.get(f"/policies/{kind}/{version}/diff{query}"))


@policy_app.command(name="propose")
def propose_document(
    file: Annotated[Path, typer.Argument(help="JSON; `show` prints one to begin with")],
    url: Url,
    key: Key,
    why: Annotated[str, typer.Option("--note", help="why, for who approves it")],
    kind: OfKind = "credit_policy",
) -> None:
    """Proposes a document for somebody else to approve, and shows what it changes."""
    from api.commands.policy_words import read_document, show_difference

    document = read_document(file)
    with Client(url, key) as client:
        made = client.post(f"/policies/{kind}", {"document": document, "note": why})
        print(f"{kind} {made['version']} is proposed; SHA-256 {made['sha256']}")
        show_difference(client.get(f"/policies/{kind}/{made['version']}/diff"))


@policy_app.command(name="approve")
def approve_document(version: Version, url: Url, key: Key, why: Why, kind: OfKind = "credit_policy") -> None:
    """Shows what a proposed version changes, and approves exactly that."""
    _decide(version, "approve", (url, key), why, kind)


@policy_app.command(name="reject")
def reject_document(version: Version, url: Url, key: Key, why: Why, kind: OfKind = "credit_policy") -> None:
    """Rejects a version that somebody else proposed."""
    _decide(version, "reject", (url, key), why, kind)


@policy_app.command(name="withdraw")
def withdraw_document(version: Version, url: Url, key: Key, why: Why, kind: OfKind = "credit_policy") -> None:
    """Takes back a proposal of one's own."""
    _decide(version, "withdraw", (url, key), why, kind)


@policy_app.command(name="revoke")
def revoke_policy(
    version: Version,
    url: Url,
    key: Key,
    why: Why,
    confirm: Annotated[bool, typer.Option("--confirm", help="what another policy owner asked for")] = False,
    refuse: Annotated[bool, typer.Option("--refuse", help="what another policy owner asked for")] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="what one asked for oneself")] = False,
) -> None:
    """Asks that an approved policy decide no more cases; another policy owner says the same with --confirm."""
    from api.commands.policy_words import show_revocation

    chosen = [word for word, said in (("confirm", confirm), ("refuse", refuse), ("withdraw", withdraw)) if said]
    if len(chosen) > 1:
        raise InvalidInput(f"--{chosen[1]}", f"is not said together with --{chosen[0]}")
    path = f"/policies/credit_policy/{version}"
    with Client(url, key) as client:
        if chosen:
            show_revocation(client.post(f"{path}/revocation/{chosen[0]}", {"reason": why}))
        else:
            body = {"sha256": client.get(path)["sha256"], "reason": why}
            show_revocation(client.post(f"{path}/revocation", body))


@policy_app.command(name="challengers")
def list_challengers(url: Url, key: Key, since: Day = None, until: Day = None) -> None:
    """What each challenger would have decided against the champion: agreement and swaps."""
    from api.commands.policy_words import show_challengers

    asked = {"since": since, "until": until}
    query = "&".join(f"{name}={day.date()}" for name, day in asked.items() if day is not None)
    with Client(url, key) as client:
        show_challengers(client.get(f"/policies/challengers?{query}".rstrip("?")))


@policy_app.command(name="backtest")
def backtest_policy(
    policy: Annotated[str | None, typer.Option(help="a version or a JSON file; default: each case's own")] = None,
    scorecard: Annotated[
        str | None, typer.Option(help="a version or a JSON file, trained or not; default: the policy's own")
    ] = None,
    since: Day = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="the last day; default: today (UTC)")
    ] = None,
    pdo: Annotated[int, typer.Option(min=1, max=1000, help="points that double the odds")] = STANDARD.pdo,
    points: Annotated[int, typer.Option(min=-10_000, max=10_000, help="the score that has --odds")] = STANDARD.points,
    odds: Annotated[int, typer.Option(min=1, max=10_000, help="good loans to one bad at --points")] = STANDARD.odds,
    lgd_bps: Annotated[int, typer.Option("--lgd-bps", min=0, max=10_000, help="lost of a bad loan")] = STANDARD.lgd_bps,
    rates: Annotated[
        str | None, typer.Option("--bad-rates", help="A=120,B=250,… bad loans of 10,000 by band, or: card")
    ] = None,
    out_file: Annotated[Path | None, typer.Option("--out", help="CSV, one application a line")] = None,
) -> None:
    """Decides all stored applications again under another policy or scorecard: swaps, segments, expected loss.

    Changes nothing. Reads the database itself, as `countersign keys` does.
    """
    from api.commands.backtest import Wanted, bad_rates, run_backtest

    if policy is None and scorecard is None:
        raise InvalidInput("--policy", "is needed, or --scorecard: what else would decide?")
    days = (since.date() if since else None, until.date() if until else None)
    given = bad_rates(rates, Assumptions(pdo, points, odds, lgd_bps))
    run_backtest(Settings(), Wanted(policy, scorecard, *days, given, out_file))


def _decide(
    version: str, verdict: Literal["approve", "reject", "withdraw"], server: tuple[str, str], why: str, kind: Kind
) -> None:
    from api.commands.policy_words import show_difference

    with Client(*server) as client:
        seen: dict[str, Any] = client.get(f"/policies/{kind}/{version}/diff")
        show_difference(seen)
        body = {"sha256": seen["sha256"], "reason": why}
        made = client.post(f"/policies/{kind}/{version}/{verdict}", body)
        print(f"{kind} {version} is {made['status']} by {made['decided_by']}")
