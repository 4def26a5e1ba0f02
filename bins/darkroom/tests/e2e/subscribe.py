"""Prints what a NATS client hears that was let in with key and secret: subjects, and what is said there."""

import asyncio
import json
import os
import sys

import nats


async def main():
    client = await nats.connect(
        os.environ["DARKROOM_NATS_URL"],
        user=os.environ["DARKROOM_KEY"],
        password=os.environ["DARKROOM_SECRET"],
    )

    async def heard(message):
        print(json.dumps([message.subject, json.loads(message.data)]), flush=True)

    for subject in sys.argv[1:]:
        await client.subscribe(subject, cb=heard)
    await client.flush()
    print("[]", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
