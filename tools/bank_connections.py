"""Connections to the bank: kept open, and the one that was used last is used next.

A pool of httpx looks at each connection that it has on each call; with a hundred of them that costs more than the call.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

MOST = 100
"""Calls at a time; whoever comes then waits, and counts as timed out like any other."""
KEPT_S = 5.0

TROUBLES = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpx.DecodingError,
)
"""What a call raises if no answer came, or none that can be read."""


class Connections:
    """To the server of `base_url`, below whose path all is asked. Paths are ASCII, and quoted."""

    def __init__(self, base_url: str, api_key: str, timeout_s: float) -> None:
        url = httpx.URL(base_url)
        self._origin = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path.rstrip(b"/")
        )
        self._headers = {
            "Host": url.netloc.decode("ascii"),
            "Authorization": f"Bearer {api_key}",
            "Accept": "application/json",
            "User-Agent": "countersign",
        }
        self._timeout_s = timeout_s
        self._extensions = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)}
        self._tls = httpx.create_ssl_context() if url.scheme == "https" else None
        self._proxy = _proxy_to(url, self._tls)
        self._places = asyncio.Semaphore(MOST)
        self._idle: deque[tuple[float, httpcore.AsyncHTTPConnection]] = deque()

    async def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """One answer, read whole; no redirect is followed. Raises TROUBLES."""
        sent = self._headers | dict(headers or {})
        content = b""
        if body is not None:
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
            sent["Content-Type"] = "application/json"
        if content or method != "GET":
            sent["Content-Length"] = str(len(content))
        origin = self._origin
        target = origin.target + b"/" + path.encode("ascii")
        url = httpcore.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=target)
        request = httpcore.Request(
            method, url, headers=list(sent.items()), content=content, extensions=self._extensions
        )
        async with self._lent() as connection:
            answer = await connection.handle_async_request(request)
            try:
                read = await answer.aread()
            finally:
                await answer.aclose()
        return httpx.Response(answer.status, headers=answer.headers, content=read, extensions=answer.extensions)

    async def aclose(self) -> None:
        while self._idle:
            await self._idle.pop()[1].aclose()
        if self._proxy is not None:
            await self._proxy.aclose()

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[httpcore.AsyncHTTPConnection | httpcore.AsyncConnectionPool]:
        if self._proxy is not None:
            yield self._proxy
            return
        await self._place()
        try:
            connection = await self._open()
            try:
                yield connection
            finally:
                await self._take_back(connection)
        finally:
            self._places.release()

    async def _place(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._places.acquire()
        except TimeoutError as exc:
            raise httpcore.PoolTimeout(f"{MOST} calls were under way") from exc

    async def _open(self) -> httpcore.AsyncHTTPConnection:
        while self._idle:
            _, connection = self._idle.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(self._origin.origin, ssl_context=self._tls, keepalive_expiry=KEPT_S)

    async def _take_back(self, connection: httpcore.AsyncHTTPConnection) -> None:
        now = asyncio.get_running_loop().time()
        if connection.is_available():
            self._idle.append((now, connection))
        else:
            await connection.aclose()
        # By the clock, not by a look at the socket: that would be one more system call on each call.
        while self._idle and self._idle[0][0] < now - KEPT_S:
            await self._idle.popleft()[1].aclose()


def _proxy_to(url: httpx.URL, tls: Any) -> httpcore.AsyncConnectionPool | None:
    """Through the proxy that the environment names; one for the outside world does not know this machine's loopback."""
    if url.host in ("127.0.0.1", "::1", "localhost") or proxy_bypass(url.host):
        return None
    named = getproxies()
    address = named.get(url.scheme) or named.get("all")
    if address is None:
        return None
    proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
    at = httpcore.URL(scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=b"/")
    through = httpcore.Proxy(at, auth=proxy.raw_auth, headers=proxy.headers.raw)
    return httpcore.AsyncConnectionPool(proxy=through, ssl_context=tls, max_connections=MOST, keepalive_expiry=KEPT_S)
