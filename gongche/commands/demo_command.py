"""`gongche demo`: a simulated city, its history, live terminals, pages."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fixtures.terminals import Tally
from gongche.console import HomeOption, JsonOption, print_facts, say
from gongche.demo import PASSWORD, PEOPLE, broker, demo_folder, drive_live, prepare
from gongche.home import Gongche, open_home
from gongche.home_folder import default_home
from gongche.service import run_service
from gongche.sockets import bind

app = typer.Typer()


@app.command()
def demo(
    vehicles: Annotated[int, typer.Option(min=1, max=20_000, help="Vehicles of the fleet.")] = 200,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days of history.")] = 14,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same city.")] = 1,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the pages.")] = 8000,
    once: Annotated[bool, typer.Option("--once", help="Make the history, print a summary, stop.")] = False,
    home: HomeOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a city with simulated vehicles and let it drive: JT/T 808, NMEA and MQTT over real sockets.

    Example: gongche demo --vehicles 50 --days 7

    Everything listens on loopback only. Ctrl-C stops it; the next run goes on with its data.
    """
    folder = Path(home) if home else default_home().with_name("gongche-demo")
    given = {
        "web_host": "127.0.0.1",
        "web_port": port,
        "listen_host": "127.0.0.1",
        "audit_open_every_min": 1.0,
        "streets_path": demo_folder(folder.absolute()) / "streets.geojson",
    }
    with open_home(folder, **given) as gongche:
        if not once:
            with bind("127.0.0.1", port, "--port"):
                pass  # a port in use is told before the work, not after it
        facts = prepare(gongche, vehicles=vehicles, days=days, seed=seed)
        if once or as_json:
            print_facts(facts, as_json)
        if not once:
            asyncio.run(_live(gongche))
            say("stopped; the data is kept, the next demo goes on with it")


async def _live(gongche: Gongche) -> None:
    settings = gongche.settings
    async with broker(gongche) as with_broker:
        say("")
        say(f"  pages        http://127.0.0.1:{settings.web_port}/")
        say(f"  sign in as   {', '.join(PEOPLE)}; the password of each is {PASSWORD}")
        say(f"  terminals    JT/T 808 on port {settings.jt808_port}, NMEA on port {settings.nmea_port}, and MQTT")
        say(f"  data         {gongche.home}")
        say("  Ctrl-C stops everything")
        await run_service(with_broker, receivers=True, pages=True, beside=[partial(drive_live, with_broker, Tally())])
