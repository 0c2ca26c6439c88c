"""One POST to an address that a client named: to what it was found to be, signed, and never longer than we allow."""

import asyncio
import base64
import hashlib
import hmac
import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpcore
import httpx

from api.webhooks.destinations import Destinations
from db.errors import InvalidInput

CONNECT_S = 5.0
TOTAL_S = 10.0
MOST_AT_ONCE = 64
MAY_COME_BACK = frozenset({408, 429, *range(500, 600)})
_LONGEST_ERROR = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """`final`: nothing else would come of sending it again. `wait_s`: what the receiver asked for."""

    status: int | None
    error: str | None
    final: bool
    wait_s: float = 0


class Poster:
    """`async with Poster(destinations)`. No proxy, no cookies, no redirects, no answer's body: none is read."""

    def __init__(self, destinations: Destinations) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_trusted(),
            max_connections=MOST_AT_ONCE,
            # The next request to a host is judged by where that is then.
            max_keepalive_connections=0,
            network_backend=_Judged(destinations),
        )

    async def aclose(self) -> None:
        await self._pool.aclose()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Never raises for what the receiver, or the way there, is at fault for."""
        try:
            async with asyncio.timeout(TOTAL_S):
                return await self._send(httpx.URL(url), headers, body)
        except InvalidInput as exc:
            return Answer(None, exc.reason, final=True)
        except (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol) as exc:
            return Answer(None, _said(exc), final=True)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.RemoteProtocolError, OSError) as exc:
            # Of OSError: a name that nobody knows, and our own timeout.
            return Answer(None, _said(exc), final=False)

    async def _send(self, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> Answer:
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        sent = {
            "Host": url.netloc.decode(),
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "User-Agent": "countersign-webhooks",
            **headers,
        }
        timeouts = {"connect": CONNECT_S, "read": TOTAL_S, "write": TOTAL_S, "pool": TOTAL_S}
        extensions = {"timeout": timeouts}
        async with self._pool.stream(
            "POST", target, headers=list(sent.items()), content=body, extensions=extensions
        ) as response:
            status = response.status
            wait_s = _retry_after_s(response.headers)
        if 200 <= status < 300:
            return Answer(status, None, final=True)
        what = "redirects are not followed" if 300 <= status < 400 else "the receiver did not take it"
        return Answer(status, f"answered {status}: {what}", final=status not in MAY_COME_BACK, wait_s=wait_s)


def signed(message_id: str, now: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers of Standard Webhooks, with one signature for each secret (`whsec_…`)."""
    at = str(int(now.timestamp()))
    content = f"{message_id}.{at}.".encode() + body
    keys = [base64.b64decode(secret.partition("_")[2]) for secret in secrets]
    signatures = [base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": at,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


class _Judged(httpcore.AsyncNetworkBackend):
    """Looks names up itself and connects to what it judged; TLS and `Host` know the name alone."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failed: Exception | None = None
        for address in await self._destinations.addresses_of(host):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failed = exc
        raise failed or httpcore.ConnectError(f"{host} has no address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _trusted() -> ssl.SSLContext:
    """The usual authorities, or those that `SSL_CERT_FILE` names."""
    return httpx.create_ssl_context()


def _retry_after_s(headers: Sequence[tuple[bytes, bytes]]) -> float:
    """Of seconds or of a date; what is neither says nothing."""
    text = next((value for name, value in headers if name.lower() == b"retry-after"), b"").decode("latin-1").strip()
    if re.fullmatch("[0-9]{1,9}", text):
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return 0
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _said(exc: Exception) -> str:
    kind = "Timeout" if isinstance(exc, TimeoutError) else type(exc).__name__
    return f"{kind}: {exc}"[:_LONGEST_ERROR] if str(exc) else kind
