#!/usr/bin/env python3
"""A server that speaks OpenAI's /v1/chat/completions and /v1/embeddings on loopback, with faults on
demand, for the scripts in tests/cli; and what a batch service makes of request files. Pictures are
embedded too, in vLLM's form.

    chat_server.py serve FILE [--faults RATE] [--kinds KIND,...] [--delay S] [--slow S] [--key KEY]
                   [--inputs N] [--only MODEL] [--bad TEXT] [--tls CERT]
                   [--host ADDRESS] [--port PORT] [--loads S] [--log FILE]
    chat_server.py batch IN OUT [--faults RATE] [--form body|bare]

`serve` writes its port into FILE once it listens, by default on any of loopback. With --loads it has
/health, which says 503 for the first S seconds. RATE of the requests have a fault of one of the
KINDs, drawn by their number: 429 (with Retry-After: 1), 500, 413, slow (S seconds, then an answer), drop
(the connection ends), half (so does the body), json (broken), index (of another choice), empty, length
(the answer was cut). At most N texts are embedded at a time, and none with TEXT in it (of a picture:
in "image/png HEX"). Every request is a line of the log: what became of it and what it was about.

An answer depends on nothing but the prompt. `batch` answers all requests-*.jsonl of IN in any order
into OUT/results.jsonl, and what fails into OUT/errors.jsonl.
"""
import argparse
import asyncio
import base64
import glob
import hashlib
import json
import os
import random
import re
import ssl
import struct
import time

KINDS = "429,500,413,slow,drop,half,json,index"


def title_of(prompt):
    found = re.search(r"^Proposed tags: (.*)$", prompt, re.M) or re.search(r"^Title: (.*)$", prompt, re.M)
    return found.group(1) if found else prompt[:40]


def answer(prompt):
    """What the model says: tags where a list is wanted, else a text with thoughts before it."""
    title = title_of(prompt)
    if "JSON list" in prompt:
        words = re.findall(r"\w+", title)[:3] + ["Shared  Tag", "shared tag"]
        return "```json\n" + json.dumps(words) + "\n```"
    return f"<think>The title is {title}.</think>\nA text about {title}; keywords: {title.lower()}."


def completion(body, kind=None):
    text = answer(body["messages"][0]["content"])
    if kind == "empty":
        text = "<think>nothing</think>  "
    message = {"role": "assistant", "content": text, "reasoning_content": "not to be seen"}
    choice = {"index": 1 if kind == "index" else 0, "message": message,
              "finish_reason": "length" if kind == "length" else "stop"}
    return {"id": "c-1", "object": "chat.completion", "model": body["model"], "choices": [choice]}


def vector(text, width=16):
    out = [0.0] * width
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.sha256(word.encode()).digest()
        for i in range(width):
            out[i] += digest[i] / 255 - 0.5
    return out


def inputs_of(body):
    """The texts to embed; a picture, all that a chat says, is taken as its type and its bytes."""
    if "messages" not in body:
        return body["input"] if isinstance(body["input"], list) else [body["input"]]
    [message] = body["messages"]
    [part] = message["content"]
    assert message["role"] == "user" and part["type"] == "image_url" and "input" not in body
    kind, data = re.fullmatch("data:(image/[a-z]+);base64,(.*)", part["image_url"]["url"]).groups()
    return [picture_text(kind, base64.b64decode(data, validate=True))]


def picture_text(kind, data):
    return f"{kind} {data.hex()}"


def embeddings(body, kind=None):
    inputs = inputs_of(body)
    data = []
    for i, text in enumerate(inputs):
        numbers = vector(text)
        if body.get("encoding_format") == "base64":
            numbers = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
        index = len(inputs) if kind == "index" and i == 0 else i
        data.append({"object": "embedding", "index": index, "embedding": numbers})
    data.reverse()  # the order is nobody's business: index counts
    return {"object": "list", "data": data, "model": body["model"]}


class Server:
    def __init__(self, options):
        self.options = options
        self.number = 0
        self.since = time.monotonic()
        self.log = open(options.log, "w", buffering=1) if options.log else None

    def fault(self):
        self.number += 1
        draw = random.Random(self.number)
        return draw.choice(self.options.kinds.split(",")) if draw.random() < self.options.faults else None

    def note(self, what, about):
        if self.log:
            self.log.write(f"{what}\t{about}\n")

    async def serve(self, reader, writer):
        try:
            while await self.request(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def request(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in head[1:] if ":" in line)}
        path = head[0].split(" ")[1]
        body = json.loads(await reader.readexactly(int(fields.get("content-length", 0))) or "{}")
        if path == "/health" and self.options.loads is not None:
            loaded = time.monotonic() >= self.since + self.options.loads
            return self.reply(writer, 200 if loaded else 503, {})
        if self.options.delay:
            await asyncio.sleep(self.options.delay)
        key = self.options.key
        if key and fields.get("authorization") != f"Bearer {key}":
            return self.reply(writer, 401, {"error": {"message": f"bad key {fields.get('authorization')}"}})
        if self.options.only and body.get("model") != self.options.only:
            self.note("404", body["model"])
            return self.reply(writer, 404, {"error": {"message": f"no model {body['model']}"}})
        if path == "/v1/models":
            return self.reply(writer, 200, {"object": "list", "data": []})
        if path == "/v1/chat/completions":
            return await self.work(writer, body, completion, title_of(body["messages"][0]["content"]))
        if path == "/v1/embeddings":
            inputs = inputs_of(body)
            count = len(inputs)
            if count > self.options.inputs:
                self.note("413", count)
                return self.reply(writer, 413, {"error": f"{count} inputs are too many"})
            if self.options.bad and any(self.options.bad in text for text in inputs):
                self.note("400", count)
                return self.reply(writer, 400, {"error": {"message": "this text"}})
            return await self.work(writer, body, embeddings, count)
        return self.reply(writer, 404, {"detail": "Not Found"})

    async def work(self, writer, body, make, about):
        kind = self.fault()
        self.note(kind or "200", about)
        if kind == "429":
            return self.reply(writer, 429, {"error": {"message": "slow down"}}, "Retry-After: 1\r\n")
        if kind in ("400", "413", "500"):
            return self.reply(writer, int(kind), {"error": {"message": "so it is"}})
        if kind == "drop":
            return False
        if kind == "slow":
            await asyncio.sleep(self.options.slow)
        return self.reply(writer, 200, make(body, kind), kind=kind)

    def reply(self, writer, code, value, more="", kind=None):
        data = json.dumps(value).encode()
        if kind == "json":
            data = data[:-9]
        head = f"HTTP/1.1 {code} x\r\nContent-Type: application/json\r\n{more}Content-Length: {len(data)}\r\n\r\n"
        if kind == "half":
            data = data[:len(data) // 2]
        writer.write(head.encode() + data)
        return kind != "half"


async def serve(options):
    tls = None
    if options.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.tls)
    server = await asyncio.start_server(Server(options).serve, options.host, options.port, ssl=tls,
                                        backlog=512, limit=1 << 22)
    with open(options.file + ".new", "w") as file:
        file.write(str(server.sockets[0].getsockname()[1]))
    os.rename(options.file + ".new", options.file)
    async with server:
        await server.serve_forever()


def batch(options):
    draw = random.Random(1)
    lines = []
    for path in sorted(glob.glob(options.folder + "/requests-*.jsonl")):
        with open(path) as file:
            lines += [json.loads(line) for line in file]
    draw.shuffle(lines)
    os.makedirs(options.out, exist_ok=True)
    with open(options.out + "/results.jsonl", "w") as good, open(options.out + "/errors.jsonl", "w") as bad:
        for number, line in enumerate(lines):
            assert line["method"] == "POST" and line["url"] == "/v1/chat/completions"
            result = {"id": f"b-{number}", "custom_id": line["custom_id"], "response": None, "error": None}
            body = completion(line["body"])
            if draw.random() < options.faults:
                fault = draw.choice(["error", "status", "missing"])
                if fault == "error":
                    result["error"] = {"code": "server_error", "message": "it failed"}
                elif fault == "status":
                    result["response"] = {"status_code": 500, "body": {"error": {"message": "so it is"}}}
                if fault != "missing":
                    bad.write(json.dumps(result) + "\n\n")
                continue
            result["response"] = body if options.form == "bare" else {"status_code": 200, "request_id": "r",
                                                                     "body": body}
            good.write(json.dumps(result) + "\n")


def main():
    parser = argparse.ArgumentParser()
    jobs = parser.add_subparsers(dest="job", required=True)
    one = jobs.add_parser("serve")
    one.add_argument("file")
    one.add_argument("--kinds", default=KINDS)
    one.add_argument("--delay", type=float, default=0)
    one.add_argument("--slow", type=float, default=3)
    one.add_argument("--key")
    one.add_argument("--only")
    one.add_argument("--tls")
    one.add_argument("--bad")
    one.add_argument("--inputs", type=int, default=32)
    one.add_argument("--log")
    one.add_argument("--host", default="127.0.0.1")
    one.add_argument("--port", type=int, default=0)
    one.add_argument("--loads", type=float)
    two = jobs.add_parser("batch")
    two.add_argument("folder")
    two.add_argument("out")
    two.add_argument("--form", default="body")
    for job in (one, two):
        job.add_argument("--faults", type=float, default=0)
    options = parser.parse_args()
    if options.job == "batch":
        batch(options)
    else:
        asyncio.run(serve(options))


if __name__ == "__main__":
    main()
