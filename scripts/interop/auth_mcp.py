# SPDX-License-Identifier: MIT
"""auth_mcp.py: a client of the Python SDK with a user, against a server that wants tokens.

    python auth_mcp.py legacy|modern URL
"""

import asyncio
import sys
import urllib.error
import urllib.request
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata, OAuthToken

ERA, URL = sys.argv[1:3]
CALLBACK = "http://127.0.0.1:9/callback"


class Back(Exception):
    """The browser was sent back."""


class Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if newurl.startswith(CALLBACK):
            raise Back(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def browse(address: str) -> dict[str, str]:
    """Follows the address until it leads back to us; what we are told there."""
    policy = DefaultCookiePolicy(strict_ns_domain=DefaultCookiePolicy.DomainLiberal)
    jar = urllib.request.HTTPCookieProcessor(CookieJar(policy))
    try:
        urllib.request.build_opener(jar, Redirects).open(address)
    except Back as back:
        return {name: value[0] for name, value in parse_qs(urlsplit(str(back)).query).items()}
    raise AssertionError("nobody sent the browser back")


class Storage:
    tokens: OAuthToken | None = None
    information = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.information

    async def set_client_info(self, information):
        self.information = information


async def main() -> None:
    storage, asked, answers = Storage(), [], []

    def scopes(n: int) -> list[str]:
        return asked[n]["scope"].split()

    async def redirect(address: str) -> None:
        asked.append({k: v[0] for k, v in parse_qs(urlsplit(address).query).items()})
        answers.append(await asyncio.to_thread(browse, address))

    async def callback() -> AuthorizationCodeResult:
        answer = answers.pop()
        return AuthorizationCodeResult(
            code=answer["code"], state=answer.get("state"), iss=answer.get("iss")
        )

    def provider() -> OAuthClientProvider:
        metadata = OAuthClientMetadata(
            client_name="interop",
            redirect_uris=[CALLBACK],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method="none",
        )
        return OAuthClientProvider(URL, metadata, storage, redirect, callback)

    async def visit(work) -> None:
        async with httpx2.AsyncClient(auth=provider(), timeout=20) as http:
            transport = streamable_http_client(URL, http_client=http)
            mode = "legacy" if ERA == "legacy" else "2026-07-28"
            async with Client(transport, mode=mode) as client:
                async def call(name, arguments):
                    return (await client.call_tool(name, arguments)).content[0].text

                await work(call)

    async def first(call) -> None:
        assert await call("whoami", {}) == "ada notes"
        assert asked[0]["resource"] == URL, asked
        assert "notes" in scopes(0) and "notes:write" not in scopes(0), asked
        # One that lacks a scope: it asks its user for that too.
        assert await call("write", {"text": "tea"}) == "noted: tea"
        assert len(asked) == 2 and "notes:write" in scopes(1), asked

    async def second(call) -> None:
        assert (await call("whoami", {})).startswith("ada notes")
        assert len(asked) == 2, asked

    await visit(first)
    # Another process has what this one kept.
    await visit(second)


asyncio.run(main())
