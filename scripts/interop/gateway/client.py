# SPDX-License-Identifier: MIT
"""client.py: both versions of the Python SDK and FastMCP as clients of a gateway over five servers
that are not ours (../gateway.lua). Prints a line for each feature.

python client.py mcp1 legacy URL
python client.py mcp2|fastmcp legacy|modern URL
"""
import base64
import json
import sys
import traceback

import anyio

sdk, era, url = sys.argv[1:4]
only = sys.argv[4] if len(sys.argv) > 4 else ""
modern = era == "modern"
LIMIT = 25
TEXTS = "everything+demo://resource/dynamic/text/"
LEVEL = "small+note://level"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"
PAGE = "https://example.org/go"

if sdk == "mcp1":
    from mcp import types
else:
    import mcp_types as types

logged, updated, changed, asked, pages = [], set(), set(), [], []


class NotOffered(Exception):
    pass


def plain(value):
    """A model of pydantic, or a list of such, as JSON has it."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if hasattr(value, "model_dump"):
        return json.loads(value.model_dump_json(by_alias=True, exclude_none=True))
    return value


async def on_elicit(context, params):
    given = plain(params)
    if given.get("mode") == "url":
        pages.append(given["url"])
        return types.ElicitResult(action="accept")
    asked.append(given["message"])
    if "name" in given["requestedSchema"]["properties"]:
        return types.ElicitResult(action="accept", content={"name": "Ada"})
    return types.ElicitResult(action="decline")


async def on_sample(context, params):
    asked.append(plain(params)["messages"][0]["content"]["text"])
    return types.CreateMessageResult(
        role="assistant", model="none", content=types.TextContent(type="text", text="A sample"))


async def on_roots(context):
    return types.ListRootsResult(
        roots=[types.Root(uri="file:///tmp/interop", name="Interop")])


async def on_log(params):
    logged.append(plain(params))


async def on_message(message):
    given = plain(getattr(message, "root", message))
    if not isinstance(given, dict):
        return
    if given.get("method") == "notifications/resources/updated":
        updated.add(given["params"]["uri"])
    elif given.get("method") == "notifications/resources/list_changed":
        changed.add("resources")


async def soon(what, fn, limit=12):
    with anyio.move_on_after(limit):
        while True:
            found = fn()
            if hasattr(found, "__await__"):
                found = await found
            if found:
                return found
            await anyio.sleep(0.02)
    raise AssertionError(f"did not happen: {what}")


class Theirs:
    """What the three clients have in common, results as JSON has them."""

    def __init__(self, client):
        self.client = client
        # FastMCP's own methods give parts of results.
        self.session = client.session if sdk == "fastmcp" else client

    async def listed(self, kind, member):
        fn = getattr(self.session, f"list_{kind}")
        out, cursor = [], None
        while True:
            if sdk == "mcp1":
                params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
                result = plain(await fn(params=params))
            elif sdk == "mcp2":
                result = plain(await fn(cursor=cursor))
            else:
                params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
                result = plain(await fn(params=params))
            out += result[member]
            cursor = result.get("nextCursor")
            if not cursor:
                return out

    async def tools(self):
        return {tool["name"]: tool for tool in await self.listed("tools", "tools")}

    async def call(self, name, args=None, progress=None, meta=None):
        if sdk == "fastmcp":
            result = await self.client.call_tool_mcp(
                name, args or {}, progress_handler=progress, meta=meta)
        else:
            result = await self.client.call_tool(
                name, args or {}, progress_callback=progress, meta=meta)
        return plain(result)

    async def read(self, uri):
        if sdk == "mcp1":
            from pydantic import AnyUrl
            return plain(await self.session.read_resource(AnyUrl(uri)))["contents"]
        if sdk == "fastmcp":
            return plain(await self.client.read_resource_mcp(uri))["contents"]
        return plain(await self.session.read_resource(uri))["contents"]

    async def prompt(self, name, args):
        if sdk == "fastmcp":
            return plain(await self.client.get_prompt_mcp(name, args))
        return plain(await self.session.get_prompt(name, args))

    async def complete(self, kind, name, argument, value, context=None):
        ref = (types.PromptReference(type="ref/prompt", name=name) if kind == "prompt" else
               resource_reference(name))
        given = {"name": argument, "value": value}
        if sdk == "fastmcp":
            result = await self.client.complete_mcp(ref, given, context)
        else:
            result = await self.client.complete(ref, given, context)
        return plain(result)["completion"]["values"]


def resource_reference(uri):
    return types.ResourceTemplateReference(type="ref/resource", uri=uri)


def text(result):
    assert not result.get("isError"), result
    return next(item["text"] for item in result["content"] if item["type"] == "text")


class Listening:
    """Changes of resources, in both eras, while the block runs."""

    def __init__(self, it, uris=(), lists=False):
        self.it, self.uris, self.lists = it, uris, lists

    async def follow(self):
        async with self.it.session_listen(self.uris, self.lists) as subscription:
            self.ready.set()
            async for event in subscription:
                name = type(event).__name__
                if "Updated" in name:
                    updated.add(str(event.uri))
                elif "Resource" in name:
                    changed.add("resources")

    async def __aenter__(self):
        if not modern:
            for uri in self.uris:
                await subscribe(self.it, uri)
            return self
        if sdk == "fastmcp":
            raise NotOffered("not offered by FastMCP's client: it has no listen()")
        self.ready = anyio.Event()
        self.group = anyio.create_task_group()
        await self.group.__aenter__()
        self.group.start_soon(self.follow)
        await self.ready.wait()
        return self

    async def __aexit__(self, *raised):
        if modern:
            self.group.cancel_scope.cancel()
            await self.group.__aexit__(None, None, None)
        return False


async def subscribe(it, uri):
    if sdk == "mcp1":
        from pydantic import AnyUrl
        await it.session.subscribe_resource(AnyUrl(uri))
    else:
        await it.session.subscribe_resource(uri)


Theirs.session_listen = lambda it, uris, lists: it.client.listen(
    resource_subscriptions=list(uris), resources_list_changed=lists)

rows = {}


def row(name):
    def add(fn):
        rows[name] = fn
        return fn
    return add


@row("tools of five servers")
async def _(it):
    names = await it.tools()
    for name in ["everything_echo", "files_list_allowed_directories", "memory_read_graph",
                 "fast_add", "small_add"]:
        assert name in names, name
    assert text(await it.call("everything_echo", {"message": "Grüße"})) == "Echo: Grüße"
    assert "examples" in text(await it.call("files_list_allowed_directories"))
    assert "entities" in text(await it.call("memory_read_graph"))
    assert text(await it.call("fast_add", {"a": 1, "b": 2})) == "3"
    assert text(await it.call("small_add", {"a": 1, "b": 2})) == "3"


@row("errors of tools")
async def _(it):
    result = await it.call("small_fail")
    assert result["isError"] and "no such luck" in result["content"][0]["text"], result


@row("progress")
async def _(it):
    for name, args in [("everything_trigger-long-running-operation",
                        {"duration": 0.3, "steps": 3}),
                       ("fast_count", {"to": 3}), ("small_count", {"to": 3})]:
        steps = []

        async def step(done, total, message):
            steps.append(f"{done:g}/{total:g}")

        await it.call(name, args, progress=step)
        assert steps == ["1/3", "2/3", "3/3"], (name, steps)


@row("logging")
async def _(it):
    meta = None
    if modern:
        meta = {LOG_LEVEL: "debug"}
    else:
        await it.session.set_logging_level("debug")
    await it.call("fast_log", {"text": "hello"}, meta=meta)
    line = await soon("a message", lambda: next(
        (line for line in logged if "hello" in json.dumps(line)), None))
    assert line["level"] == "warning", line
    await it.call("everything_toggle-simulated-logging", meta=meta)
    before = len(logged)
    await it.call("everything_trigger-long-running-operation", {"duration": 6, "steps": 2},
                  meta=meta)
    await it.call("everything_toggle-simulated-logging", meta=meta)
    assert len(logged) > before, "no simulated message came"


@row("completion")
async def _(it):
    name = "everything_completable-prompt"
    assert await it.complete("prompt", name, "department", "S") == ["Sales", "Support"]
    assert await it.complete("prompt", name, "name", "", {"department": "Sales"}) == [
        "David", "Eve", "Frank"]
    assert await it.complete("resource", TEXTS + "{resourceId}", "resourceId", "5") == ["5"]
    assert await it.complete("prompt", "small_greet", "name", "A") == ["Ada", "Alan"]


@row("prompts")
async def _(it):
    names = [prompt["name"] for prompt in await it.listed("prompts", "prompts")]
    for name in ["everything_simple-prompt", "fast_greet", "small_greet"]:
        assert name in names, name
    got = await it.prompt("everything_args-prompt", {"city": "Bonn", "state": "NRW"})
    assert got["messages"][0]["content"]["text"] == "What's weather in Bonn, NRW?"
    got = await it.prompt("everything_resource-prompt", {"resourceType": "Text", "resourceId": "1"})
    assert got["messages"][1]["content"]["resource"]["uri"] == TEXTS + "1"


@row("resources")
async def _(it):
    listed = await it.listed("resources", "resources")
    uris = [item["uri"] for item in listed if item["uri"].startswith("everything+")]
    assert len(uris) > 3
    for uri in uris:
        assert (await it.read(uri))[0]["uri"] == uri
    assert (await it.read(LEVEL))[0]["text"]


@row("templates")
async def _(it):
    listed = await it.listed("resource_templates", "resourceTemplates")
    uris = [item["uriTemplate"] for item in listed]
    for uri in [TEXTS + "{resourceId}", "fast+note://{name}", "small+note://about/{who}"]:
        assert uri in uris, uri
    assert "Resource 7:" in (await it.read(TEXTS + "7"))[0]["text"]
    assert base64.b64decode((await it.read("everything+demo://resource/dynamic/blob/8"))[0]["blob"])
    assert (await it.read("fast+note://tea"))[0]["text"] == "About tea"


@row("links and embedded resources")
async def _(it):
    links = (await it.call("everything_get-resource-links", {"count": 4}))["content"]
    assert links[2]["uri"] == TEXTS + "2"
    content = (await it.call("everything_get-resource-reference",
                             {"resourceType": "Text", "resourceId": 3}))["content"]
    assert content[1]["resource"]["uri"] == TEXTS + "3"
    image = (await it.call("everything_get-tiny-image"))["content"][1]
    assert image["mimeType"] == "image/png"


@row("subscriptions and updates")
async def _(it):
    async with Listening(it, uris=[TEXTS + "1", LEVEL]):
        await it.call("everything_toggle-subscriber-updates")
        await soon("an update of everything", lambda: TEXTS + "1" in updated)
        await it.call("everything_toggle-subscriber-updates")
        await it.call("small_fill")
        await soon("an update of small", lambda: LEVEL in updated)


@row("list_changed")
async def _(it):
    name = f"{sdk}-{era}.gz"
    async with Listening(it, lists=True):
        await it.call("everything_gzip-file-as-resource", {
            "name": name, "data": "data:text/plain,packed", "outputType": "resourceLink"})
        await soon("list_changed", lambda: "resources" in changed)
    assert any(item["uri"].endswith("/" + name) for item in await it.listed(
        "resources", "resources"))


@row("elicitation, form")
async def _(it):
    assert "User provided the requested information" in text(
        await it.call("everything_trigger-elicitation-request"))
    assert "Please provide inputs" in asked[-1]
    assert text(await it.call("small_ask")) == "Hello, Ada!"


@row("elicitation, URL")
async def _(it):
    given = {"url": PAGE}
    result = await it.call("everything_trigger-url-elicitation", given)
    if not pages and "Client capability required" in json.dumps(result):
        raise NotOffered("not offered by this client: it declares forms alone")
    assert "User completed the URL elicitation" in text(result)
    assert pages[-1] == PAGE
    given = {"url": f"{PAGE}/{sdk}/{era}", "errorPath": True}
    if modern:
        result = await it.call("everything_trigger-url-elicitation", given)
        assert "User completed the URL elicitation" in text(result)
        assert pages[-2:] == ["https://modelcontextprotocol.io", given["url"]], pages
        return
    try:
        await it.call("everything_trigger-url-elicitation", given)
    except Exception as error:
        found = getattr(error, "error", None)
        assert found is not None and found.code == -32042, repr(error)
    else:
        raise AssertionError("expected the error -32042")


@row("sampling")
async def _(it):
    assert "A sample" in text(
        await it.call("everything_trigger-sampling-request", {"prompt": "a word"}))
    assert "a word" in asked[-1]
    assert text(await it.call("small_sample", {"prompt": "a word"})) == "The model: A sample"


@row("roots")
async def _(it):
    async def known():
        return "file:///tmp/interop" in text(await it.call("everything_get-roots-list"))

    # The server has asked before there was a client with folders, and is notified by this one's.
    await soon("the folders", known)


@row("structured content")
async def _(it):
    tools = await it.tools()
    assert tools["everything_get-structured-content"]["outputSchema"]["type"] == "object"
    result = await it.call("everything_get-structured-content", {"location": "Chicago"})
    assert result["structuredContent"] == {
        "temperature": 36, "conditions": "Light rain / drizzle", "humidity": 82}
    assert (await it.call("fast_add", {"a": 1, "b": 2}))["structuredContent"] == {"result": 3}


@row("annotations")
async def _(it):
    tools = await it.tools()
    for name in ["files_read_text_file", "fast_add"]:
        assert tools[name]["annotations"]["readOnlyHint"] is True, name
    said = await it.call("everything_get-annotated-message",
                         {"messageType": "error", "includeImage": True})
    assert said["content"][0]["annotations"] == {
        "priority": 1, "audience": ["user", "assistant"]}, said


@row("pagination")
async def _(it):
    assert len([name for name in await it.tools() if name.startswith("fast_tool_")]) == 12


@row("cancellation")
async def _(it):
    before = int(text(await it.call("small_cancelled")))
    with anyio.move_on_after(0.2):
        await it.call("small_slow")

    async def noticed():
        return int(text(await it.call("small_cancelled"))) > before

    try:
        await soon("the server is notified", noticed, 2)
    except AssertionError:
        if sdk == "mcp1":
            raise NotOffered("not offered by this client: a call that it gives up is not "
                             "cancelled") from None
        raise
    assert text(await it.call("everything_echo", {"message": "on"})) == "Echo: on"


@row("tasks")
async def _(it):
    result = await it.call("everything_simulate-research-query", {"topic": "tea"})
    assert "tea" in text(result)
    if sdk != "mcp1":
        raise NotOffered("as a task: not offered by this client")
    tasks = it.session.experimental
    made = await tasks.call_tool_as_task(
        "everything_simulate-research-query", {"topic": "tea"}, ttl=60000)
    async for status in tasks.poll_task(made.task.taskId):
        pass
    assert status.status == "completed", status
    result = await tasks.get_task_result(made.task.taskId, types.CallToolResult)
    assert "tea" in text(plain(result))


@row("icons")
async def _(it):
    assert (await it.tools())["fast_add"]["icons"][0]["mimeType"] == "image/png"


@row("_meta")
async def _(it):
    assert (await it.tools())["fast_add"]["_meta"]["team"] == "blue"
    result = await it.call("fast_trace", meta={"example.org/trace": "t1"})
    assert text(result) == "t1", result


async def run(client):
    it = Theirs(client)
    for name, fn in rows.items():
        if only not in name:
            continue
        try:
            with anyio.fail_after(LIMIT):
                await fn(it)
            print(f"row\t{name}\tok", flush=True)
        except NotOffered as reason:
            print(f"row\t{name}\tok; {reason}" if str(reason).startswith("as a")
                  else f"row\t{name}\t{reason}", flush=True)
        except Exception:
            text = traceback.format_exc().replace("\n", " | ")
            print(f"row\t{name}\tFAILED {text}", flush=True)


async def main():
    mode = "auto" if modern else "legacy"
    if sdk == "mcp1":
        from mcp import ClientSession
        from mcp.client.streamable_http import streamable_http_client
        async with streamable_http_client(url) as streams:
            async with ClientSession(
                    *streams[:2], sampling_callback=on_sample, elicitation_callback=on_elicit,
                    list_roots_callback=on_roots, logging_callback=on_log,
                    message_handler=on_message) as session:
                await session.initialize()
                await run(session)
    elif sdk == "mcp2":
        from mcp import Client
        async with Client(
                url, mode=mode, sampling_callback=on_sample, elicitation_callback=on_elicit,
                list_roots_callback=on_roots, logging_callback=on_log,
                message_handler=on_message, cache=None) as client:
            assert client.protocol_version == ("2026-07-28" if modern else "2025-11-25")
            await run(client)
    else:
        from fastmcp import Client
        from fastmcp.client.elicitation import ElicitResult

        async def elicit(message, response_type, params, context):
            given = await on_elicit(context, params)
            return ElicitResult(action=given.action, content=given.content)

        async def sample(messages, params, context):
            return (await on_sample(context, params)).content.text

        async with Client(url, mode=mode, roots=["file:///tmp/interop"], timeout=LIMIT,
                          sampling_handler=sample, elicitation_handler=elicit,
                          log_handler=on_log, message_handler=on_message) as client:
            await run(client)


anyio.run(main)
