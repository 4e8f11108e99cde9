"""An MQTT receiver process to be killed: `python -m tests.ingest.mqtt_process CONNINFO PORT`; prints `ready`."""

import asyncio
import sys

from ingest.database import DatabaseSink
from ingest.intake import Intake
from ingest.mqtt import BrokerAddress, MqttReceiver
from store.database import Database


async def main(conninfo: str, port: int) -> None:
    with Database.open(conninfo, pool_size=4) as database:
        async with (
            Intake(DatabaseSink(database), group_wait_s=0.01) as intake,
            MqttReceiver(intake, BrokerAddress(port=port)) as receiver,
        ):
            await receiver.connected.wait()
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
