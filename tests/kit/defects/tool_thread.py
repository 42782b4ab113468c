"""A thread that keeps the hub from stopping.

Found by: its calls leave nothing running.
"""

import threading
import time

from pydantic import BaseModel

from hubbub import hookimpl


class Bad:
    name = "bad"
    description = "Waits."
    examples = ({},)

    class Args(BaseModel):
        pass

    async def run(self, args, ctx):
        threading.Thread(target=time.sleep, args=(3,), name="lasting").start()
        return "waiting"


@hookimpl
def register_tools():
    return [Bad()]
