"""A receiver process to be killed: `python -m tests.ingest.receiver_process CONNINFO PORT`; prints `ready`."""

import asyncio
import sys

from ingest.database import DatabaseRegistry, DatabaseSink
from ingest.intake import Intake
from ingest.jt808_session import Jt808Platform
from ingest.roster import Roster
from ingest.tcp import TcpReceiver
from store.database import Database


async def main(conninfo: str, port: int) -> None:
    with Database.open(conninfo, pool_size=4) as database:
        roster = Roster(database)
        async with Intake(DatabaseSink(database, roster), group_wait_s=0.01) as intake:
            platform = Jt808Platform(intake, DatabaseRegistry(database, roster), require_authentication=True)
            async with TcpReceiver(platform, port=port):
                sys.stdout.write("ready\n")
                sys.stdout.flush()
                await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
