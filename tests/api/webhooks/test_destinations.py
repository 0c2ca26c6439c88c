"""Where webhooks may go: what is public, what is allowed besides, and what a name leads to when it is connected to."""

from ipaddress import ip_address

import pytest

from api.settings import Settings
from api.webhooks.destinations import Destinations, is_public
from db.errors import InvalidInput


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "64:ff9b::8.8.8.8", "2002:808:808::1"],
)
def test_address_that_everybody_can_reach_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
        *("169.254.169.254", "192.0.0.9", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
        *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::127.0.0.1", "::8.8.8.8", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1"),
        *("ff0e::1", "100::1", "2001:db8::1", "3fff::1", "5f00::1", "2001::1", "2001:0:808:808::1"),
        *("64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::8.8.8.8", "2002:7f00:1::1", "2002:a00:1::"),
    ],
)
def test_address_of_some_network_of_its_own_is_not_public_in_whatever_dress(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://93.184.216.34/", ""),
        ("https://[::ffff:93.184.216.34]/", ""),
        ("https://example.org/", ""),
        ("http://127.0.0.1:9/", "127.0.0.1"),
        ("http://2130706433/", "127.0.0.1"),
        ("http://[::ffff:127.0.0.1]/", "127.0.0.0/8"),
        ("http://10.1.2.3/", "192.168.0.0/16, 10.0.0.0/8"),
        ("http://[fd00::7]/", "fd00::/8"),
        ("http://localhost/", "localhost"),
    ],
)
def test_public_or_allowed_host_is_not_refused(url: str, allowed: str) -> None:
    Destinations.allowing(allowed).refuse(url)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.2/", "127.0.0.1"),
        ("http://017700000001/", ""),
        ("http://11.localhost/", "localhost"),
        ("http://10.1.2.3/", "10.1.2.0/32,example.org"),
        ("http://0/", ""),
    ],
)
def test_host_that_needs_no_looking_up_is_refused_at_once(url: str, allowed: str) -> None:
    with pytest.raises(InvalidInput, match="webhook"):
        Destinations.allowing(allowed).refuse(url)


async def test_name_is_judged_by_every_address_it_has_when_it_is_connected_to() -> None:
    with pytest.raises(InvalidInput, match=r"localhost is at \S+, which is not public"):
        await Destinations.allowing("10.0.0.0/8").addresses_of("localhost")
    with pytest.raises(InvalidInput):
        await Destinations.allowing("").addresses_of("LOCALHOST.")
    assert set(await Destinations.allowing("127.0.0.0/8,::1").addresses_of("localhost")) <= {"127.0.0.1", "::1"}
    assert await Destinations.allowing("localhost").addresses_of("localhost")
    with pytest.raises(OSError, match="not known"):
        await Destinations().addresses_of("no-such-host.invalid")


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "http://inside", "a b", "inside/10", "*.inside"])
def test_what_is_no_host_cannot_be_allowed(entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERSIGN_WEBHOOK_ALLOW", f"127.0.0.1,{entry}")

    with pytest.raises(ValueError, match="COUNTERSIGN_WEBHOOK_ALLOW"):
        Settings()
