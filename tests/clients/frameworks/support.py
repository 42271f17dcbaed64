"""What both Python scripts need: where the broker is, and a deadline for every wait. Arguments: PORT (default|2|3)"""

import asyncio
import sys

PORT = int(sys.argv[1])
URL = f"redis://localhost:{PORT}/0" + ("" if sys.argv[2] == "default" else f"?protocol={sys.argv[2]}")
# Far more than anything takes, in seconds.
DEADLINE = 50


async def within(what, awaitable):
    """The result, or an error that says what was awaited."""
    try:
        return await asyncio.wait_for(awaitable, DEADLINE)
    except asyncio.TimeoutError:
        raise TimeoutError(f"did not happen: {what}") from None


async def eventually(what, condition):
    async def happens():
        while not await condition():
            await asyncio.sleep(0.01)

    await within(what, happens())


async def run(*checks):
    for check in checks:
        print(check.__name__, flush=True)
        await check()
    print("all done")
