"""Where webhooks may go: to addresses that everybody can reach, and to those that whoever runs this allows besides.

Clients name the addresses, and requests to them come from inside our network. So each is looked up by us when it is
connected to, and the connection goes to what was found and judged, not to what a second look-up might say.
"""

import asyncio
import re
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Any

import httpx
from pydantic import AfterValidator, Field

from api.protocol.json_values import Text
from db.errors import InvalidInput

MAX_URL = 2048
LOOKUPS_AT_ONCE = 8
Address = IPv4Address | IPv6Address

_NAME = re.compile(r"[a-z0-9]([a-z0-9_.-]*[a-z0-9])?")
_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_SPECIAL = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))
"""Of the IANA's special-purpose registries, what `is_global` of some Python or other lets pass."""


def absolute_url(url: str) -> str:
    """The URL itself. Raises ValueError for what a webhook cannot be, wherever it points."""
    if url.startswith("/"):
        raise ValueError("must be an absolute http or https URL; paths of this server are not served as webhooks")
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as exc:
        raise ValueError(f"is no URL: {exc}") from exc
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("must be an absolute http or https URL")
    if parsed.userinfo or "@" in parsed.netloc.decode():
        raise ValueError("must not hold credentials; verify the request's signature instead")
    if "%" in parsed.host or not 0 < (80 if parsed.port is None else parsed.port) < 2**16:
        raise ValueError("names no host and port that can be connected to")
    return url


WebhookUrl = Annotated[
    Text,
    Field(max_length=MAX_URL, json_schema_extra={"format": "uri"}),
    AfterValidator(absolute_url),
]


@dataclass(frozen=True, slots=True)
class Destinations:
    """`names` and `networks` are allowed although they may not be public.

    Names are looked up in threads of our own: a name that takes long must not keep the bank's waiting.
    """

    names: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(LOOKUPS_AT_ONCE, "lookup"))

    @classmethod
    def allowing(cls, entries: str) -> "Destinations":
        """Of host names, addresses and CIDRs with commas between them. Raises ValueError that names a wrong one."""
        names, networks = set(), []
        for entry in filter(None, (part.strip().lower() for part in entries.split(","))):
            if "/" in entry or _is_address(entry):
                networks.append(ip_network(entry))
            elif _NAME.fullmatch(entry):
                names.add(entry)
            else:
                raise ValueError(f"{entry!r} is no host name, address or CIDR")
        return cls(frozenset(names), tuple(networks))

    def refuse(self, url: str) -> None:
        """Raises InvalidInput for a URL that is known to go nowhere without looking its host up."""
        parsed = httpx.URL(url)
        name = _name(parsed)
        if (name == "localhost" or name.endswith(".localhost")) and name not in self.names:
            raise InvalidInput("webhook", f"{name} is not a public host, and not allowed here")
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except UnicodeError as exc:
            raise InvalidInput("webhook", f"{name} is no host name") from exc
        except socket.gaierror:
            return
        self._judge(name, _addresses(found))

    async def addresses_of(self, host: str) -> Sequence[str]:
        """What the host's name stands for now. Raises InvalidInput unless all of it is allowed, OSError if nobody
        knows the name."""
        name = host.rstrip(".").lower()
        try:
            found = await asyncio.get_running_loop().run_in_executor(self.threads, _look_up, name)
        except UnicodeError as exc:
            raise InvalidInput("webhook", f"{name} is no host name") from exc
        addresses = _addresses(found)
        self._judge(name, addresses)
        return addresses

    def _judge(self, name: str, addresses: Iterable[str]) -> None:
        if name in self.names:
            return
        for text in addresses:
            address = _address(text)
            if not is_public(address) and not any(address in network for network in self.networks):
                raise InvalidInput("webhook", f"{name} is at {text}, which is not public, and not allowed here")


def is_public(address: Address) -> bool:
    """Whether everybody on the internet means the same host by it. One that has another in it is as that one is."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and not _is_special(address)
    inner = address.sixtofour or (IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None)
    if inner is not None:
        return is_public(inner)
    return address in _UNICAST and address.is_global and not _is_special(address)


def _look_up(name: str) -> list[Any]:
    return socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)


def _is_special(address: Address) -> bool:
    return any(address in network for network in _SPECIAL)


def _address(text: str) -> Address:
    """Without a zone, and as IPv4 if that is what IPv6 only wraps."""
    address = ip_address(text.partition("%")[0])
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _addresses(found: Iterable[tuple[Any, ...]]) -> list[str]:
    return list(dict.fromkeys(sockaddr[0] for *_, sockaddr in found))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _name(url: httpx.URL) -> str:
    """As it is looked up: a dot at the end says nothing."""
    return url.raw_host.decode().rstrip(".").lower()
